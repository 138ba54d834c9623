-- name: buckets
select bucket.id, bucket.public, bucket.file_size_limit, bucket.allowed_mime_types,
    coalesce(held.objects, 0), coalesce(held.size, 0)::bigint
from storage.buckets as bucket
left join (
    select bucket_id, count(*) as objects, sum(case
        when jsonb_typeof(metadata -> 'size') = 'number' then (metadata ->> 'size')::numeric
    end) as size
    from storage.objects group by bucket_id
) as held on held.bucket_id = bucket.id
order by bucket.id
