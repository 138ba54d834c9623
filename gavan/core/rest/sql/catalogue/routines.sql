-- Functions of the exposed schemas that can be called by name, one JSON object per row.
-- $1: names of schemas (text[]), $2: names of settings that are lifted to the transaction (text[]).
with input as (
    select
        p.oid,
        a.place,
        coalesce(a.name, '') as name,
        a.type,
        a.place <= p.pronargs - p.pronargdefaults as required,
        coalesce(a.mode, 'i') = 'v' as is_variadic
    from pg_proc p
    join pg_namespace n on n.oid = p.pronamespace
    cross join lateral rows from (
        unnest(p.proargtypes), unnest(array(
            select m.name
            from unnest(
                p.proargnames,
                coalesce(p.proargmodes, array_fill('i'::"char", array[p.pronargs::int]))
            ) with ordinality as m (name, mode, place)
            where m.mode in ('i', 'b', 'v')
            order by m.place
        )), unnest(array(
            select m.mode
            from unnest(p.proargmodes) with ordinality as m (mode, place)
            where m.mode in ('i', 'b', 'v')
            order by m.place
        ))
    ) with ordinality as a (type, name, mode, place)
    where n.nspname = any ($1::text[]) and p.prokind = 'f'
),

inputs as (
    select
        oid,
        json_agg(json_build_object(
            'name', name,
            'type', case type
                when 'bit'::regtype then 'bit varying'
                when 'bit[]'::regtype then 'bit varying[]'
                when 'character'::regtype then 'character varying'
                when 'character[]'::regtype then 'character varying[]'
                else format_type(type, null)
            end,
            'required', required,
            'variadic', is_variadic
        ) order by place) as parameters,
        bool_and(name <> '') or count(*) = 1 and bool_and(type in (
            'json'::regtype, 'jsonb'::regtype, 'text'::regtype, 'xml'::regtype, 'bytea'::regtype
        )) as callable
    from input
    group by oid
)

select json_build_object(
    'schema', n.nspname,
    'name', p.proname,
    'comment', obj_description(p.oid, 'pg_proc'),
    'parameters', coalesce(i.parameters, '[]'),
    'returns', case
        when b.oid = 'void'::regtype then 'void'
        -- A bare record has no columns to select by: it is one value, like a scalar.
        when b.typtype = 'c'
            or coalesce(p.proargmodes::text[] && '{t,b,o}', false) then 'composite'
        else 'scalar'
    end,
    'returns_set', p.proretset,
    'return_type', format_type(p.prorettype, null),
    -- A domain called like a media type says what the value is.
    'media_type', case when rt.typtype = 'd' and not p.proretset and (
        rt.typname = '*/*' or rt.typname ~* '^[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+$'
    ) then lower(rt.typname) end,
    'is_binary', b.oid = 'bytea'::regtype,
    'relation_schema', rn.nspname,
    'relation', r.relname,
    'volatility', p.provolatile,
    'settings', (
        select coalesce(json_agg(json_build_array(
            split_part(s, '=', 1), substr(s, strpos(s, '=') + 1)
        )), '[]')
        from unnest(p.proconfig) as s
        where split_part(s, '=', 1) = any ($2::text[])
    )
)::text
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
join pg_type rt on rt.oid = p.prorettype
left join inputs i on i.oid = p.oid
join lateral (
    with recursive bases as (
        select t.oid, t.typtype, t.typbasetype, t.typrelid
        from pg_type t where t.oid = p.prorettype
        union all
        select u.oid, u.typtype, u.typbasetype, u.typrelid
        from bases join pg_type u on u.oid = bases.typbasetype
    )
    select oid, typtype, typrelid from bases where typtype <> 'd' limit 1
) b on true
left join pg_class r on r.oid = b.typrelid
left join pg_namespace rn on rn.oid = r.relnamespace
where n.nspname = any ($1::text[])
    and p.prokind = 'f'
    and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
    and coalesce(i.callable, true)
order by n.nspname, p.proname, p.oid
