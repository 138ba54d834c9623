-- What the sweep asks of the rows, as the owner of the tables.

-- name: count
select count(*) from storage.objects

-- Versions from $1, before $2; is_old: the row has not changed for $3 seconds.
-- Those of uploads in parts count too, and are never missed.
-- name: versions
select version, bool_or(is_old) from (
    select version, coalesce(updated_at, created_at, '-infinity')
        < now() - make_interval(secs => $3::double precision) as is_old
    from storage.objects
    where version collate "C" >= $1 and version collate "C" < $2
    union all
    select version, false from storage.s3_multipart_uploads
    where version collate "C" >= $1 and version collate "C" < $2
) as named group by version

-- Rows whose version names no blob of ours, as rows that were inserted by hand have it.
-- name: nameless
select count(*) from storage.objects where coalesce(version, '')
    !~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'

-- name: names
select bucket_id || '/' || name from storage.objects
where version in (select jsonb_array_elements_text($1::jsonb)) order by 1

-- name: open_uploads
select version from storage.s3_multipart_uploads
where version in (select jsonb_array_elements_text($1::jsonb))

-- name: close_uploads
delete from storage.s3_multipart_uploads
where version in (select jsonb_array_elements_text($1::jsonb))

-- Begun more than $1 seconds ago.
-- name: old_uploads
select version from storage.s3_multipart_uploads
where created_at < now() - make_interval(secs => $1::double precision)
