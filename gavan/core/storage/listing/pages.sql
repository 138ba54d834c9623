-- Entries of one page as JSON, in order; a folder has no id. Names are bounded by comparison, not
-- by LIKE: an index then serves callers bound by policies too (031_storage_listing.sql).
-- Metadata comes as text: what one row holds, and no reader can read, spoils no page.

-- $1 bucket, $2 prefix, $3 delimiter or '', $4 limit, $5 exact name to start after, $6 order.
-- name: by_name
select coalesce(json_agg(json_build_object('name', name, 'id', id,
    'updated_at', to_char(updated_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'created_at', to_char(created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'last_accessed_at', to_char(last_accessed_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'metadata', metadata::text)), '[]')
from storage.list_objects_with_delimiter($1, $2, $3, $4, '', $5, $6)

-- Folders among the objects. $1 bucket, $2 prefix, $3 limit, $4 exact name to start after,
-- $5 order, $6 column, $7 time to start after.
-- name: by_time
select coalesce(json_agg(json_build_object('name', name, 'id', id,
    'updated_at', to_char(updated_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'created_at', to_char(created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'last_accessed_at', to_char(last_accessed_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'metadata', metadata::text)), '[]')
from storage.search_by_timestamp($2, $1, $3, 1, $4, $5, $6, $7)

-- Objects alone; values as by_time.
-- name: objects_by_time
with timed as (
    select *, coalesce(date_trunc('milliseconds',
        case $6 when 'created_at' then created_at else updated_at end), 'epoch') as at
    from storage.objects
    where bucket_id = $1 and name collate "C" >= $2 and name collate "C" < $2 || chr(1114111)
), page as (
    select * from timed
    where $4 = '' or case $5
        when 'asc' then (at, name collate "C") > (coalesce(nullif($7, '')::timestamptz, 'epoch'), $4)
        else (at, name collate "C") < (coalesce(nullif($7, '')::timestamptz, 'epoch'), $4) end
    order by case $5 when 'asc' then at end, case $5 when 'asc' then name end collate "C",
        at desc, name collate "C" desc
    limit $3
)
select coalesce(json_agg(json_build_object('name', name, 'id', id,
    'updated_at', to_char(updated_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'created_at', to_char(created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'last_accessed_at', to_char(last_accessed_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'metadata', metadata::text)), '[]')
from page

-- The older listing: $1 prefix, $2 bucket, $3 limit, $4 offset, $5 search, $6 column, $7 order.
-- name: search
select coalesce(json_agg(json_build_object('name', name, 'id', id,
    'updated_at', to_char(updated_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'created_at', to_char(created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'last_accessed_at', to_char(last_accessed_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'metadata', metadata)), '[]')
from storage.search($1, $2, $3, 1, $4, $5, $6, $7)

-- $1 bucket, $2 prefix, $3 delimiter or '', $4 limit, $5 key and $6 id to start after.
-- name: uploads
select coalesce(json_agg(json_build_object('key', key, 'id', id,
    'created_at', to_char(created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))), '[]')
from storage.list_multipart_uploads_with_delimiter($1, $2, $3, $4, $5, $6)
