-- Functions that take one row of a relation and return rows of a relation: relationships that
-- somebody wrote. One JSON object per row.
select json_build_object(
    'function_schema', pn.nspname,
    'function', p.proname,
    'schema', n.nspname,
    'table', c.relname,
    'foreign_schema', fn.nspname,
    'foreign_table', f.relname,
    'to_one', not p.proretset or p.prorows = 1
)::text
from pg_proc p
join pg_namespace pn on pn.oid = p.pronamespace
join pg_class c on c.reltype = p.proargtypes[0] and c.relkind in ('r', 'p', 'f', 'v', 'm')
join pg_namespace n on n.oid = c.relnamespace
join pg_class f on f.reltype = p.prorettype and f.relkind in ('r', 'p', 'f', 'v', 'm')
join pg_namespace fn on fn.oid = f.relnamespace
where p.pronargs = 1
    and p.prokind = 'f'
    and n.nspname not in ('pg_catalog', 'information_schema')
order by pn.nspname, p.proname
