-- Aggregates over the rows of a relation, or of anything, that return a domain called like a media
-- type: they make the answer in that type. One JSON object each. $1: names of schemas (text[]).
select json_build_object(
    'schema', n.nspname,
    'function', p.proname,
    'relation_schema', rn.nspname,
    'relation', r.relname,
    'media_type', lower(d.typname),
    'is_binary', d.typbasetype = 'bytea'::regtype
)::text
from pg_type d
join pg_proc p on p.prorettype = d.oid and p.prokind = 'a' and p.pronargs = 1
join pg_namespace n on n.oid = p.pronamespace
left join pg_class r on r.reltype = p.proargtypes[0] and r.relkind in ('r', 'p', 'f', 'v', 'm')
left join pg_namespace rn on rn.oid = r.relnamespace
where d.typtype = 'd'
    and (d.typname = '*/*' or d.typname ~* '^[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+$')
    and n.nspname = any ($1::text[])
    and (r.oid is not null or p.proargtypes[0] = 'anyelement'::regtype)
