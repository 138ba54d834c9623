-- name: bucket
select json_build_object('id', id, 'name', name, 'public', public,
    'file_size_limit', file_size_limit, 'allowed_mime_types', allowed_mime_types)
from storage.buckets where id = $1
