-- Relations outside the system schemas that a primary or foreign key touches, with the names of
-- the columns of these keys by number, one JSON object per row. What views show is traced back to
-- these.
with key_column as (
    select k.conrelid as relation, unnest(k.conkey) as number
    from pg_constraint k
    where k.contype in ('p', 'f')
    union
    select k.confrelid, unnest(k.confkey)
    from pg_constraint k
    where k.contype = 'f'
),

named as (
    select k.relation, json_object_agg(k.number, a.attname) as columns
    from key_column k
    join pg_attribute a on a.attrelid = k.relation and a.attnum = k.number
    group by k.relation
)

select json_build_object(
    'oid', c.oid::bigint,
    'schema', n.nspname,
    'name', c.relname,
    'columns', named.columns,
    'primary_key', array(
        select a.attname
        from unnest(p.conkey) with ordinality as k (number, place)
        join pg_attribute a on a.attrelid = c.oid and a.attnum = k.number
        order by k.place
    )
)::text
from named
join pg_class c on c.oid = named.relation
join pg_namespace n on n.oid = c.relnamespace
left join pg_constraint p on p.conrelid = c.oid and p.contype = 'p'
where n.nspname not in ('pg_catalog', 'information_schema')
