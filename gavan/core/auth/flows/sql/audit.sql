-- name: insert_entry
insert into auth.audit_log_entries (instance_id, id, payload, created_at, ip_address)
values (
    '00000000-0000-0000-0000-000000000000', %(id)s, %(payload)s::jsonb::json, now(), %(ip)s
)

-- One page of the log, newest first; a pattern that is NULL takes everything.
-- name: list_entries
select id, payload, created_at, ip_address
from auth.audit_log_entries
where %(pattern)s::text is null
    or exists (
        select from unnest(%(columns)s::text[]) as wanted (key)
        where payload ->> wanted.key ilike %(pattern)s
    )
order by created_at desc, id
limit %(limit)s offset %(offset)s

-- name: count_entries
select count(*) as total
from auth.audit_log_entries
where %(pattern)s::text is null
    or exists (
        select from unnest(%(columns)s::text[]) as wanted (key)
        where payload ->> wanted.key ilike %(pattern)s
    )
