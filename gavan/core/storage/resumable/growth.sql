-- Whether an upload has become an object, and is still that object's content.
-- name: is_object
select 1 from storage.objects where bucket_id = $1 and name = $2 and version = $3
