-- Rows of storage.objects as the endpoints change them and answer them. Values that upstream's
-- schema calls text are never null; times have milliseconds and Z.

-- The caller's policies pick the rows: $1 bucket, $2 names.
-- name: delete
with deleted as (
    delete from storage.objects
    where bucket_id = $1 and name in (select jsonb_array_elements_text($2::jsonb))
    returning *
)
select json_agg(json_build_object(
    'name', name,
    'bucket_id', bucket_id,
    'owner', coalesce(owner::text, ''),
    'owner_id', coalesce(owner_id, ''),
    'version', coalesce(version, ''),
    'id', id,
    'updated_at', to_char(updated_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'created_at', to_char(created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'last_accessed_at',
        to_char(last_accessed_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'metadata', metadata,
    'user_metadata', user_metadata
))
from deleted

-- name: is_there
select from storage.objects
where bucket_id = $1 and name in (select jsonb_array_elements_text($2::jsonb))
