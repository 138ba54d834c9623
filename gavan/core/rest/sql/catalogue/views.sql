-- Rewrite rules of the views in the given schemas and the names of their columns by number, one JSON
-- object per row. $1: names of schemas (text[]). The rule's tree is read in Python (view_keys.py).
select json_build_object(
    'oid', c.oid::bigint,
    'schema', n.nspname,
    'name', c.relname,
    'columns', (
        select json_object_agg(a.attnum, a.attname)
        from pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    ),
    'rule', r.ev_action::text
)::text
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_rewrite r on r.ev_class = c.oid and r.rulename = '_RETURN'
where c.relkind in ('v', 'm') and n.nspname = any ($1::text[])
