-- Rows of storage.s3_multipart_uploads and their parts. The handle of the store of blobs stands in
-- upload_signature; what the object shall be, in metadata and user_metadata.

-- $1 id, $2 handle, $3 bucket, $4 key, $5 version, $6 owner, $7 user metadata, $8 metadata
-- name: begin
insert into storage.s3_multipart_uploads
    (id, upload_signature, bucket_id, key, version, owner_id, user_metadata, metadata)
values ($1, $2, $3, $4, $5, $6, $7::jsonb, $8::jsonb)

-- name: upload
select json_build_object('id', id, 'handle', upload_signature, 'version', version,
    'owner', owner_id, 'user_metadata', user_metadata, 'metadata', metadata)
from storage.s3_multipart_uploads where id = $1 and bucket_id = $2 and key = $3

-- Room for $2 more bytes, while no more than $3 are on their way; no row when there is none.
-- name: reserve
update storage.s3_multipart_uploads set in_progress_size = in_progress_size + $2::bigint
where id = $1 and in_progress_size + $2::bigint <= $3::bigint
returning id

-- name: release
update storage.s3_multipart_uploads
set in_progress_size = greatest(0, in_progress_size - $2::bigint) where id = $1

-- Parts of one upload come in one after the other: the last one of a number counts.
-- name: lock
select id from storage.s3_multipart_uploads where id = $1 for update

-- $1 upload, $2 number, $3 size, $4 etag, $5 owner
-- name: put_part
with replaced as (
    delete from storage.s3_multipart_uploads_parts
    where upload_id = $1 and part_number = $2::integer
    returning size
), freed as (
    update storage.s3_multipart_uploads
    set in_progress_size
        = greatest(0, in_progress_size - (select coalesce(sum(size), 0) from replaced))
    where id = $1
    returning id, bucket_id, key, version
)
insert into storage.s3_multipart_uploads_parts
    (upload_id, size, part_number, bucket_id, key, etag, owner_id, version)
select id, $3::bigint, $2::integer, bucket_id, key, $4, $5, version from freed
returning part_number

-- $2 after this number, $3 most of them
-- name: parts
select coalesce(json_agg(json_build_object('number', part_number, 'size', size, 'etag', etag,
    'created_at', to_char(created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
    order by part_number), '[]')
from (
    select * from storage.s3_multipart_uploads_parts
    where upload_id = $1 and part_number > $2::integer
    order by part_number limit $3::integer
) as part

-- name: finish
delete from storage.s3_multipart_uploads where id = $1
