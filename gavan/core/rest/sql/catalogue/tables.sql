-- Relations of the exposed schemas with their columns and primary keys, as one JSON array.
-- $1: names of schemas (text[]). Partitions are left out: only their parents are addressable.
select coalesce(json_agg(json_build_object(
    'schema', n.nspname,
    'name', c.relname,
    'is_view', c.relkind in ('v', 'm'),
    'comment', obj_description(c.oid, 'pg_class'),
    'insertable', c.relkind in ('r', 'p') or (pg_relation_is_updatable(c.oid, true) & 8) = 8,
    'updatable', c.relkind in ('r', 'p') or (pg_relation_is_updatable(c.oid, true) & 4) = 4,
    'deletable', c.relkind in ('r', 'p') or (pg_relation_is_updatable(c.oid, true) & 16) = 16,
    'primary_key', (
        select coalesce(json_agg(a.attname order by k.place), '[]')
        from pg_constraint p
        cross join unnest(p.conkey) with ordinality as k (number, place)
        join pg_attribute a on a.attrelid = p.conrelid and a.attnum = k.number
        where p.conrelid = c.oid and p.contype = 'p'
    ),
    'columns', (
        select coalesce(json_agg(json_build_object(
            'name', a.attname,
            'type', format_type(a.atttypid, a.atttypmod),
            'base_type', format_type(b.oid, null),
            'nullable', not (a.attnotnull or t.typtype = 'd' and t.typnotnull),
            'default', case
                when a.attidentity = 'd' then format('nextval(%L)', s.sequence)
                when a.attgenerated <> '' then null
                when d.adbin is null then pg_get_expr(t.typdefaultbin, 0)
                else pg_get_expr(d.adbin, d.adrelid)
            end,
            'max_length', case
                when b.oid in ('varchar'::regtype, 'bpchar'::regtype) and a.atttypmod > 4
                then a.atttypmod - 4
            end,
            'enum', case when b.typtype = 'e' then (
                select json_agg(e.enumlabel order by e.enumsortorder)
                from pg_enum e
                where e.enumtypid = b.oid
            ) end,
            'comment', col_description(a.attrelid, a.attnum)
        ) order by a.attnum), '[]')
        from pg_attribute a
        join pg_type t on t.oid = a.atttypid
        join lateral (
            with recursive bases as (
                select t.oid, t.typtype, t.typbasetype
                union all
                select u.oid, u.typtype, u.typbasetype
                from bases join pg_type u on u.oid = bases.typbasetype
            )
            select oid, typtype from bases where typbasetype = 0 or typtype <> 'd' limit 1
        ) b on true
        left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
        left join lateral (
            select p.objid::regclass as sequence
            from pg_depend p
            where p.refobjid = a.attrelid and p.refobjsubid = a.attnum and p.deptype = 'i'
                and p.classid = 'pg_class'::regclass
            limit 1
        ) s on true
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    )
)), '[]')::text
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where n.nspname = any ($1::text[])
    and c.relkind in ('r', 'p', 'f', 'v', 'm')
    and not c.relispartition
