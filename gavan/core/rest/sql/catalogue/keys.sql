-- Foreign keys outside the system schemas, one JSON object per row. Partitions take no part, nor do
-- keys that are not enforced (PostgreSQL 18).
select json_build_object(
    'constraint', k.conname,
    'schema', n.nspname,
    'table', c.relname,
    'foreign_schema', fn.nspname,
    'foreign_table', f.relname,
    'columns', (
        select json_agg(json_build_array(a.attname, fa.attname) order by p.place)
        from unnest(k.conkey, k.confkey) with ordinality as p (near, far, place)
        join pg_attribute a on a.attrelid = k.conrelid and a.attnum = p.near
        join pg_attribute fa on fa.attrelid = k.confrelid and fa.attnum = p.far
    ),
    -- One row on each side: the key's columns are unique in the referencing table too.
    'one_to_one', exists (
        select
        from pg_constraint u
        where u.conrelid = k.conrelid and u.contype in ('p', 'u')
            and u.conkey @> k.conkey and u.conkey <@ k.conkey
    )
)::text
from pg_constraint k
join pg_class c on c.oid = k.conrelid
join pg_namespace n on n.oid = c.relnamespace
join pg_class f on f.oid = k.confrelid
join pg_namespace fn on fn.oid = f.relnamespace
where k.contype = 'f'
    and k.conparentid = 0
    and not c.relispartition
    and not f.relispartition
    and coalesce(to_jsonb(k) ->> 'conenforced', 'true') = 'true'
    and n.nspname not in ('pg_catalog', 'information_schema')
order by n.nspname, c.relname, k.conname
