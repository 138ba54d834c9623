-- Relations of the exposed schemas with their columns and primary keys, one JSON object per row.
-- $1: names of schemas (text[]). Partitions are left out: only their parents are addressable.
-- Joined as whole sets: asking per column takes seconds in a database of a thousand tables.
with recursive relation as (
    select c.oid, c.relname, c.relkind, n.nspname
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = any ($1::text[])
        and c.relkind in ('r', 'p', 'f', 'v', 'm')
        and not c.relispartition
),

-- What a domain, or a domain over a domain, is in the end.
domain as (
    select t.oid, t.typbasetype as base from pg_type t where t.typtype = 'd'
    union all
    select d.oid, t.typbasetype
    from domain d
    join pg_type t on t.oid = d.base
    where t.typtype = 'd'
),

type as materialized (
    select t.oid, t.typtype = 'd' and t.typnotnull as never_null, t.typdefaultbin, t.base, (
        select json_agg(e.enumlabel order by e.enumsortorder)
        from pg_enum e
        where e.enumtypid = t.base
    ) as labels, format_type(t.base, null) as base_name
    from (
        select t.oid, t.typtype, t.typnotnull, t.typdefaultbin, coalesce(d.base, t.oid) as base
        from pg_type t
        left join (
            select d.oid, d.base
            from domain d
            join pg_type t on t.oid = d.base
            where t.typtype <> 'd'
        ) d on d.oid = t.oid
        where t.oid in (
            select a.atttypid from pg_attribute a join relation on relation.oid = a.attrelid
        )
    ) t
),

described as (
    select a.attrelid, json_agg(json_build_array(
        a.attname,
        format_type(a.atttypid, a.atttypmod),
        t.base_name,
        not (a.attnotnull or t.never_null),
        case
            when a.attidentity = 'd' then format('nextval(%L)', (
                select p.objid::regclass
                from pg_depend p
                where p.refclassid = 'pg_class'::regclass
                    and p.refobjid = a.attrelid
                    and p.refobjsubid = a.attnum
                    and p.deptype = 'i'
                    and p.classid = 'pg_class'::regclass
                limit 1
            ))
            when a.attgenerated <> '' then null
            when d.adbin is null then pg_get_expr(t.typdefaultbin, 0)
            else pg_get_expr(d.adbin, d.adrelid)
        end,
        case
            when t.base in ('varchar'::regtype, 'bpchar'::regtype) and a.atttypmod > 4
            then a.atttypmod - 4
        end,
        coalesce(t.labels, '[]'),
        s.description
    ) order by a.attnum) as columns
    from relation r
    join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
    join type t on t.oid = a.atttypid
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    left join pg_description s on s.objoid = a.attrelid
        and s.classoid = 'pg_class'::regclass
        and s.objsubid = a.attnum
    group by a.attrelid
)

select json_build_object(
    'schema', r.nspname,
    'name', r.relname,
    'is_view', r.relkind in ('v', 'm'),
    'comment', obj_description(r.oid, 'pg_class'),
    'insertable', r.relkind in ('r', 'p') or (pg_relation_is_updatable(r.oid, true) & 8) = 8,
    'updatable', r.relkind in ('r', 'p') or (pg_relation_is_updatable(r.oid, true) & 4) = 4,
    'deletable', r.relkind in ('r', 'p') or (pg_relation_is_updatable(r.oid, true) & 16) = 16,
    'primary_key', array(
        select a.attname
        from unnest(p.conkey) with ordinality as k (number, place)
        join pg_attribute a on a.attrelid = r.oid and a.attnum = k.number
        order by k.place
    ),
    'columns', coalesce(described.columns, '[]')
)::text
from relation r
left join described on described.attrelid = r.oid
left join pg_constraint p on p.conrelid = r.oid and p.contype = 'p'
