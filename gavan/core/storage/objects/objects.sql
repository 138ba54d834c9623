-- Rows of storage.objects as the endpoints change them and answer them. Values that upstream's
-- schema calls text are never null; times have milliseconds and Z.

-- The caller's policies pick the rows: $1 bucket, $2 names. Metadata of more than $3 bytes in all
-- is left out behind the first of the names.
-- name: delete
with deleted as (
    delete from storage.objects
    where bucket_id = $1 and name in (select jsonb_array_elements_text($2::jsonb))
    returning *
), told as (
    select *, sum(coalesce(octet_length(metadata::text), 0)
        + coalesce(octet_length(user_metadata::text), 0)) over (order by name) <= $3 as is_told
    from deleted
)
select name, version, json_build_object(
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
    'metadata', case when is_told then metadata end,
    'user_metadata', case when is_told then user_metadata end
)
from told

-- name: there
select name, version from storage.objects
where bucket_id = $1 and name in (select jsonb_array_elements_text($2::jsonb))

-- What a copy is made of, if the caller may see it: $1 bucket, $2 name.
-- name: source
select coalesce(version, ''), metadata, user_metadata
from storage.objects
where bucket_id = $1 and name = $2

-- The row goes, its bytes stay where they are: $1 bucket, $2 name, then the same of where to,
-- $5 owner, $6 owner when it is a UUID, $7 time. The last column is of the row as it was.
-- name: move
update storage.objects set
    bucket_id = $3,
    name = $4,
    owner_id = coalesce($5, owner_id),
    owner = case when $5 is null then owner else $6::uuid end,
    metadata = case
        when jsonb_typeof(metadata) = 'object'
            then metadata || jsonb_build_object('lastModified', $7::text)
        else metadata end
where bucket_id = $1 and name = $2
returning metadata, coalesce(version, ''),
    (select former.metadata from storage.objects as former where former.id = storage.objects.id)
