-- Rows of storage.objects as uploads make them: $1 bucket, $2 name, $3 owner, $4 owner when it is a
-- UUID, for the older column, $5 user metadata, $6 metadata, $7 version.

-- name: version
select coalesce(version, '') from storage.objects where bucket_id = $1 and name = $2

-- The policies see the row as it will be, but for its version; nothing is returned, so none of them
-- need let it be read.
-- name: try_insert
insert into storage.objects (bucket_id, name, owner_id, owner, user_metadata, metadata)
values ($1, $2, $3, $4::uuid, $5::jsonb, $6::jsonb)

-- Returns the version that it would replace. What is not given stays, as in "update".
-- name: try_upsert
with former as (
    select coalesce(version, '') as version
    from storage.objects
    where bucket_id = $1 and name = $2
)
insert into storage.objects (bucket_id, name, owner_id, owner, user_metadata, metadata)
values ($1, $2, $3, $4::uuid, $5::jsonb, $6::jsonb)
on conflict (bucket_id, name) do update set
    owner_id = coalesce(excluded.owner_id, storage.objects.owner_id),
    owner = case
        when excluded.owner_id is null then storage.objects.owner else excluded.owner end,
    user_metadata = coalesce(excluded.user_metadata, storage.objects.user_metadata),
    metadata = excluded.metadata
returning (select version from former)

-- No row comes back when there is one already.
-- name: insert
insert into storage.objects (bucket_id, name, owner_id, owner, user_metadata, metadata, version)
values ($1, $2, $3, $4::uuid, $5::jsonb, $6::jsonb, $7)
on conflict (bucket_id, name) do nothing
returning json_build_object(
    'id', id,
    'bucket_id', bucket_id,
    'name', name,
    'version', version,
    'metadata', metadata,
    'user_metadata', user_metadata,
    'owner', owner,
    'owner_id', owner_id,
    'created_at', to_char(created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'updated_at', to_char(updated_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'last_accessed_at',
        to_char(last_accessed_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))

-- Only while the version is the one that the policies judged ($8): no row comes back otherwise.
-- name: update
update storage.objects set
    owner_id = coalesce($3, owner_id),
    owner = case when $3 is null then owner else $4::uuid end,
    user_metadata = coalesce($5::jsonb, user_metadata),
    metadata = $6::jsonb,
    version = $7
where bucket_id = $1 and name = $2 and coalesce(version, '') = $8
returning json_build_object(
    'id', id,
    'bucket_id', bucket_id,
    'name', name,
    'version', version,
    'metadata', metadata,
    'user_metadata', user_metadata,
    'owner', owner,
    'owner_id', owner_id,
    'created_at', to_char(created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'updated_at', to_char(updated_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'last_accessed_at',
        to_char(last_accessed_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
