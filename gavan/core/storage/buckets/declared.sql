-- Buckets of the stack file: $1 id, $2 public, $3 bytes of one object at most, $4 types as JSON.

-- One row comes back when something changed: whether the bucket is new.
-- name: declare
insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)
values ($1, $1, $2, $3,
    case when $4::jsonb is not null then array(select jsonb_array_elements_text($4::jsonb)) end)
on conflict (id) do update set
    public = excluded.public, file_size_limit = excluded.file_size_limit,
    allowed_mime_types = excluded.allowed_mime_types, updated_at = now()
where (storage.buckets.public, storage.buckets.file_size_limit, storage.buckets.allowed_mime_types)
    is distinct from (excluded.public, excluded.file_size_limit, excluded.allowed_mime_types)
returning case when xmax = 0 then 'made' else 'changed' end

-- name: others
select coalesce(json_agg(id), '[]')
from (select id from storage.buckets
    where id <> all (array(select jsonb_array_elements_text($1::jsonb)))
    order by id limit 20) as other
