-- Buckets as their routes show and change them. The order of keys is upstream's.

-- name: get
select json_build_object('id', id, 'name', name, 'owner', coalesce(owner::text, ''),
    'public', public, 'file_size_limit', file_size_limit,
    'allowed_mime_types', allowed_mime_types,
    'created_at', to_char(created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'updated_at', to_char(updated_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
from storage.buckets where id = $1

-- $1 text to be found in the name, $2 column of the order, $3 asc or desc, $4 rows at most, $5 rows
-- to pass over.
-- name: list
select coalesce(json_agg(page.bucket order by page.place), '[]')
from (
    select json_build_object('id', id, 'name', name, 'owner', coalesce(owner::text, ''),
            'public', public, 'type', type, 'file_size_limit', file_size_limit,
            'allowed_mime_types', allowed_mime_types,
            'created_at', to_char(created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
            'updated_at', to_char(updated_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
            as bucket,
        row_number() over (order by
            case when $3 = 'asc' then sorted.key end,
            case when $3 = 'desc' then sorted.key end desc,
            created_at, id) as place
    from storage.buckets,
        lateral (select case $2::text
            when 'id' then id
            when 'name' then name
            when 'created_at' then to_char(created_at at time zone 'utc', 'YYYYMMDDHH24MISSUS')
            when 'updated_at' then to_char(updated_at at time zone 'utc', 'YYYYMMDDHH24MISSUS')
        end as key) as sorted
    where strpos(lower(name), lower($1)) > 0 or $1 = ''
    order by place
    limit $4::bigint offset $5::bigint
) as page

-- $1 id, $2 name, $3 sub of the caller, $4 the same when it is a UUID, $5 public, $6 bytes of one
-- object at most, $7 types as JSON.
-- name: create
insert into storage.buckets
    (id, name, owner_id, owner, public, file_size_limit, allowed_mime_types)
values ($1, $2, $3, $4::uuid, $5::boolean, $6::bigint,
    case when $7::jsonb is not null then array(select jsonb_array_elements_text($7::jsonb)) end)

-- $2 has the columns that are to be set; those it does not have keep what they hold.
-- name: update
update storage.buckets set
    public = case when $2::jsonb ? 'public' then ($2::jsonb ->> 'public')::boolean
        else public end,
    file_size_limit = case when $2::jsonb ? 'file_size_limit'
        then ($2::jsonb ->> 'file_size_limit')::bigint else file_size_limit end,
    allowed_mime_types = case
        when jsonb_typeof($2::jsonb -> 'allowed_mime_types') = 'array'
            then array(select jsonb_array_elements_text($2::jsonb -> 'allowed_mime_types'))
        when $2::jsonb ? 'allowed_mime_types' then null
        else allowed_mime_types end
where id = $1
returning 1

-- name: is_used
select exists (select from storage.objects where bucket_id = $1)
from storage.buckets where id = $1

-- name: delete
delete from storage.buckets where id = $1 returning 1

-- How many objects the caller sees, counted up to $2; no row for a bucket he does not see.
-- name: count
select (select count(*) from
    (select from storage.objects where bucket_id = $1 limit $2::bigint) as object)
from storage.buckets where id = $1

-- The next objects in the order of names after $3 that were there at $2, without those that the
-- caller may not delete. Answers with the last name looked at, null at the end, and with what went;
-- metadata of more than 64 KiB, which no upload makes, are left out.
-- name: delete_some
with batch as (
    select id, name from storage.objects
    where bucket_id = $1 and created_at < $2::timestamptz and name collate "C" > $3
    order by name collate "C" limit $4::bigint
), gone as (
    delete from storage.objects where id in (select id from batch)
    returning name, version, metadata
)
select (select max(name collate "C") from batch),
    (select coalesce(json_agg(json_build_object('name', name, 'version', coalesce(version, ''),
        'metadata', case when octet_length(metadata::text) <= 65536 then metadata::text end)), '[]')
    from gone)

-- name: now
select now()
