-- What an upload has become, while it is still that object's content.
-- name: object
select json_build_object('owner', owner_id, 'length', (metadata->>'size')::bigint,
    'mime', metadata->>'mimetype', 'cache_control', metadata->>'cacheControl')
from storage.objects where bucket_id = $1 and name = $2 and version = $3
