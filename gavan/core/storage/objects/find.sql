-- Rows of storage.objects that are to be read: $1 bucket, $2 name.

-- The bucket's word on who may read, and the row itself when that is everybody.
-- name: open_object
select bucket.public, json_build_object('id', object.id, 'bucket_id', object.bucket_id,
    'name', object.name, 'version', coalesce(object.version, ''), 'metadata', object.metadata,
    'user_metadata', object.user_metadata,
    'created_at',
    to_char(object.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'updated_at',
    to_char(object.updated_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
from storage.buckets as bucket
left join storage.objects as object
    on bucket.public and object.bucket_id = bucket.id and object.name = $2
where bucket.id = $1

-- name: object
select json_build_object('id', object.id, 'bucket_id', object.bucket_id,
    'name', object.name, 'version', coalesce(object.version, ''), 'metadata', object.metadata,
    'user_metadata', object.user_metadata,
    'created_at',
    to_char(object.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'updated_at',
    to_char(object.updated_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
from storage.objects as object
where object.bucket_id = $1 and object.name = $2

-- name: names
select object.name from storage.objects as object
where object.bucket_id = $1
    and object.name in (select json_array_elements_text($2::json))
