-- Relations outside the system schemas that a primary or foreign key touches, with the names of
-- their columns by number, as one JSON array. What views show is traced back to these.
select coalesce(json_agg(json_build_object(
    'oid', c.oid::bigint,
    'schema', n.nspname,
    'name', c.relname,
    'columns', (
        select json_object_agg(a.attnum, a.attname)
        from pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    ),
    'primary_key', (
        select coalesce(json_agg(a.attname order by k.place), '[]')
        from pg_constraint p
        cross join unnest(p.conkey) with ordinality as k (number, place)
        join pg_attribute a on a.attrelid = p.conrelid and a.attnum = k.number
        where p.conrelid = c.oid and p.contype = 'p'
    )
)), '[]')::text
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where n.nspname not in ('pg_catalog', 'information_schema')
    and exists (
        select
        from pg_constraint k
        where k.contype in ('p', 'f') and (k.conrelid = c.oid or k.confrelid = c.oid)
    )
