-- Tokens that prove an address. auth.one_time_tokens is what is looked at; the columns of
-- auth.users say the same for tools that read them, and when each was sent.

-- name: put_token
insert into auth.one_time_tokens (
    id, user_id, token_type, token_hash, relates_to, created_at, updated_at
) values (
    gen_random_uuid(), %(user_id)s, %(token_type)s::auth.one_time_token_type, %(token_hash)s,
    lower(%(relates_to)s), now() at time zone 'utc', now() at time zone 'utc'
)
on conflict (user_id, token_type) do update
set token_hash = excluded.token_hash, relates_to = excluded.relates_to,
    created_at = excluded.created_at, updated_at = excluded.updated_at

-- name: owner_of_hash
select user_id
from auth.one_time_tokens
where token_hash = any(%(hashes)s::text[])
    and token_type = any(%(token_types)s::auth.one_time_token_type[])
limit 1

-- name: tokens_of
select token_type::text, token_hash, relates_to
from auth.one_time_tokens
where user_id = %(user_id)s and token_type = any(%(token_types)s::auth.one_time_token_type[])
for update

-- name: take_token
delete from auth.one_time_tokens
where user_id = %(user_id)s and token_type = %(token_type)s::auth.one_time_token_type

-- name: drop_tokens
delete from auth.one_time_tokens where user_id = %(user_id)s

-- name: sent_confirmation
update auth.users
set confirmation_token = %(token_hash)s, confirmation_sent_at = now(), updated_at = now()
where id = %(id)s

-- name: sent_invite
update auth.users
set confirmation_token = %(token_hash)s, confirmation_sent_at = now(), invited_at = now(),
    updated_at = now()
where id = %(id)s

-- name: sent_recovery
update auth.users
set recovery_token = %(token_hash)s, recovery_sent_at = now(), updated_at = now()
where id = %(id)s

-- name: sent_reauthentication
update auth.users
set reauthentication_token = %(token_hash)s, reauthentication_sent_at = now(), updated_at = now()
where id = %(id)s

-- name: sent_phone_change
update auth.users
set phone_change = %(phone)s, phone_change_token = %(token_hash)s, phone_change_sent_at = now(),
    updated_at = now()
where id = %(id)s

-- A hash that is NULL leaves the one that stands.
-- name: sent_email_change
update auth.users
set email_change = %(email)s, email_change_sent_at = now(), email_change_confirm_status = 0,
    email_change_token_current = coalesce(%(current_hash)s, email_change_token_current),
    email_change_token_new = coalesce(%(new_hash)s, email_change_token_new),
    updated_at = now()
where id = %(id)s

-- The first of the two addresses of an e-mail change has answered.
-- name: first_email_confirmed
update auth.users
set email_change_confirm_status = 1,
    email_change_token_current =
        case when %(is_current)s then '' else email_change_token_current end,
    email_change_token_new =
        case when %(is_current)s then email_change_token_new else '' end,
    updated_at = now()
where id = %(id)s

-- name: recovered
update auth.users set recovery_token = '', updated_at = now() where id = %(id)s

-- name: reauthenticated
update auth.users set reauthentication_token = '', updated_at = now() where id = %(id)s
