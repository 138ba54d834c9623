-- Everything typed clients show, as one JSON object. Parameter: names of the schemas (text[]).
-- Relations of all schemas of the user come along: a view may show columns of any of them.
with own as (
    select oid, nspname from pg_namespace
    where nspname <> 'information_schema' and nspname !~ '^pg_'
), relations as (
    select c.*, own.nspname from pg_class c join own on own.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'f', 'v', 'm', 'c')
)
select json_build_object(
    'relations', (
        select coalesce(json_agg(json_build_object(
            'oid', c.oid::bigint,
            'schema', c.nspname,
            'name', c.relname,
            'kind', c.relkind,
            'events', case c.relkind
                when 'v' then pg_relation_is_updatable(c.oid, true)
                when 'm' then 0
                else 28
            end,
            'rule', (
                select r.ev_action::text from pg_rewrite r
                where r.ev_class = c.oid and r.rulename = '_RETURN' and c.relkind in ('v', 'm')
            ),
            'columns', (
                select coalesce(json_agg(json_build_object(
                    'number', a.attnum,
                    'name', a.attname,
                    'type', a.atttypid::bigint,
                    'is_nullable', not (a.attnotnull or (t.typtype = 'd' and t.typnotnull)),
                    'has_default', a.atthasdef or a.attidentity = 'd',
                    'is_written', a.attidentity <> 'a' and a.attgenerated = '' and case
                        when c.relkind <> 'v' then true
                        -- Not all three: an INSTEAD OF trigger decides, for every column alike.
                        when pg_relation_is_updatable(c.oid, true) & 28 <> 28 then true
                        else pg_column_is_updatable(c.oid, a.attnum, true)
                    end
                ) order by a.attnum), '[]')
                from pg_attribute a join pg_type t on t.oid = a.atttypid
                where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            )
        )), '[]')
        from relations c
    ),
    'keys', (
        select coalesce(json_agg(json_build_object(
            'name', k.conname,
            'relation', k.conrelid::bigint,
            'columns', k.conkey,
            'target', k.confrelid::bigint,
            'target_columns', k.confkey,
            'is_one_to_one', exists (
                select from pg_constraint u
                where u.conrelid = k.conrelid and u.contype in ('p', 'u') and u.conkey = k.conkey
            )
        )), '[]')
        from pg_constraint k join relations c on c.oid = k.conrelid
        where k.contype = 'f' and k.conparentid = 0 and c.nspname = any (%(schemas)s)
    ),
    'routines', (
        select coalesce(json_agg(json_build_object(
            'schema', n.nspname,
            'name', p.proname,
            'signature', pg_get_function_identity_arguments(p.oid),
            'names', coalesce(p.proargnames, '{}'),
            'modes', coalesce(p.proargmodes, '{}'),
            'types', coalesce(p.proallargtypes::bigint[], p.proargtypes::oid[]::bigint[]),
            'defaults', p.pronargdefaults,
            'returns', p.prorettype::bigint,
            'is_set', p.proretset,
            'rows', p.prorows
        )), '[]')
        from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname = any (%(schemas)s) and p.prokind = 'f'
            and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
    ),
    'types', (
        select json_agg(json_build_object(
            'oid', t.oid::bigint,
            'schema', n.nspname,
            'name', t.typname,
            'kind', t.typtype,
            'relation', t.typrelid::bigint,
            'base', t.typbasetype::bigint,
            -- int2vector and oidvector have elements too, but are no arrays to a client.
            'element', coalesce((
                select e.oid::bigint from pg_type e where e.oid = t.typelem and e.typarray = t.oid
            ), 0),
            'labels', (
                select coalesce(json_agg(e.enumlabel order by e.enumsortorder), '[]')
                from pg_enum e where e.enumtypid = t.oid
            )
        ))
        from pg_type t join pg_namespace n on n.oid = t.typnamespace
        where n.nspname <> 'information_schema'
            and (n.nspname = 'pg_catalog' or n.nspname in (select nspname from own))
    ),
    'schemas', (select coalesce(json_agg(nspname), '[]') from own)
)
