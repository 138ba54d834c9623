-- Tables that the publication sends, in the names clients subscribe by, and whether rows of all their
-- partitions can be told apart when they change: Postgres refuses UPDATE and DELETE otherwise.
select class.oid::bigint, published.schemaname::text, published.tablename::text,
    not (publication.pubupdate or publication.pubdelete) or not exists (
        select from (
            select class.oid as leaf
            union
            select relid from pg_partition_tree(class.oid)
        ) as leaves
        join pg_class as stored on stored.oid = leaf and stored.relkind = 'r'
        where stored.relreplident <> 'f' and not exists (
            select from pg_index as index
            where index.indrelid = leaf and index.indisvalid and index.indimmediate
                and case stored.relreplident
                    when 'd' then index.indisprimary
                    when 'i' then index.indisreplident
                    else false
                end
        )
    )
from pg_publication_tables as published
join pg_publication as publication on publication.pubname = published.pubname
join pg_namespace as namespace on namespace.nspname = published.schemaname
join pg_class as class on class.relnamespace = namespace.oid
    and class.relname = published.tablename
where published.pubname = 'supabase_realtime'
