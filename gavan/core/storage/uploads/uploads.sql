-- Rows of storage.objects as uploads make them: $1 bucket, $2 name, $3 owner, $4 owner when it is a
-- UUID, for the older column, $5 user metadata, $6 metadata, $7 version.

-- name: version
select coalesce(version, '') from storage.objects where bucket_id = $1 and name = $2

-- The policies see the row as it will be; nothing is returned, so none of them need let it be read.
-- name: try_insert
insert into storage.objects (bucket_id, name, owner_id, owner, user_metadata, metadata, version)
values ($1, $2, $3, $4::uuid, $5::jsonb, $6::jsonb, $7)

-- name: try_upsert
insert into storage.objects (bucket_id, name, owner_id, owner, user_metadata, metadata, version)
values ($1, $2, $3, $4::uuid, $5::jsonb, $6::jsonb, $7)
on conflict (bucket_id, name) do update set
    owner_id = excluded.owner_id, owner = excluded.owner, user_metadata = excluded.user_metadata,
    metadata = excluded.metadata, version = excluded.version
returning id

-- name: insert
insert into storage.objects (bucket_id, name, owner_id, owner, user_metadata, metadata, version)
values ($1, $2, $3, $4::uuid, $5::jsonb, $6::jsonb, $7)
returning id

-- Only while the version is the one that the policies judged ($8): no row comes back otherwise.
-- name: upsert
insert into storage.objects (bucket_id, name, owner_id, owner, user_metadata, metadata, version)
values ($1, $2, $3, $4::uuid, $5::jsonb, $6::jsonb, $7)
on conflict (bucket_id, name) do update set
    owner_id = excluded.owner_id, owner = excluded.owner, user_metadata = excluded.user_metadata,
    metadata = excluded.metadata, version = excluded.version
where coalesce(storage.objects.version, '') is not distinct from $8
returning id
