-- Tables that the publication sends, in the names clients subscribe by.
select class.oid::bigint, published.schemaname::text, published.tablename::text
from pg_publication_tables as published
join pg_namespace as namespace on namespace.nspname = published.schemaname
join pg_class as class on class.relnamespace = namespace.oid
    and class.relname = published.tablename
where published.pubname = 'supabase_realtime'
