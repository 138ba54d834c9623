-- Queries of the auth service. It logs in as supabase_auth_admin, the owner of schema auth.

-- A user by e-mail. Seeds may have left instance_id and aud NULL; both indexes on e-mail are used.
-- name: user_by_email
select *
from auth.users
where is_sso_user = false
    and (
        email = %(email)s
        or (instance_id = '00000000-0000-0000-0000-000000000000' and lower(email) = %(email)s)
    )
    and coalesce(nullif(aud, ''), %(aud)s) = %(aud)s
    and deleted_at is null
limit 1

-- A user by id, with whether it is banned at this moment.
-- name: user_by_id
select *, coalesce(banned_until > now(), false) as is_banned
from auth.users
where id = %(id)s and deleted_at is null

-- The identities of a user, oldest first.
-- name: identities_of
select * from auth.identities where user_id = %(user_id)s order by created_at, id

-- The second factors of a user, oldest first.
-- name: factors_of
select * from auth.mfa_factors where user_id = %(user_id)s order by created_at, id

-- A new user, not confirmed yet: triggers on auth.users run in this transaction.
-- name: insert_user
insert into auth.users (
    instance_id, id, aud, role, email, encrypted_password,
    confirmation_token, recovery_token, email_change_token_new, email_change,
    raw_app_meta_data, raw_user_meta_data, created_at, updated_at
) values (
    '00000000-0000-0000-0000-000000000000', %(id)s, %(aud)s, 'authenticated', %(email)s,
    %(encrypted_password)s, '', '', '', '', %(app_meta)s, %(user_meta)s, now(), now()
)

-- The identity that a sign-up by e-mail makes.
-- name: insert_identity
insert into auth.identities (
    provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at
) values (%(user_id)s::text, %(user_id)s, %(data)s, 'email', now(), now(), now())

-- The address is confirmed; the tokens sent to prove it are worthless from now on.
-- name: confirm_email
update auth.users
set email_confirmed_at = now(),
    confirmation_token = '',
    raw_user_meta_data = coalesce(raw_user_meta_data, '{}') || '{"email_verified": true}',
    updated_at = now()
where id = %(id)s and email_confirmed_at is null

-- Every one-time token of a user, after confirming or changing a password.
-- name: delete_one_time_tokens
delete from auth.one_time_tokens where user_id = %(user_id)s

-- A session begins.
-- name: insert_session
insert into auth.sessions (id, user_id, created_at, updated_at, aal, user_agent, ip)
values (%(id)s, %(user_id)s, now(), now(), 'aal1', %(user_agent)s, %(ip)s::inet)

-- How the user of a session proved who they are.
-- name: insert_amr
insert into auth.mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method)
values (gen_random_uuid(), %(session_id)s, now(), now(), %(method)s)
on conflict (session_id, authentication_method) do update set updated_at = now()

-- Methods of a session, newest first.
-- name: amr_of
select authentication_method as method, extract(epoch from updated_at)::bigint as timestamp
from auth.mfa_amr_claims
where session_id = %(session_id)s
order by updated_at desc

-- name: touch_sign_in
update auth.users set last_sign_in_at = now(), updated_at = now() where id = %(id)s

-- name: insert_refresh_token
insert into auth.refresh_tokens (
    instance_id, token, user_id, revoked, created_at, updated_at, parent, session_id
) values (
    '00000000-0000-0000-0000-000000000000', %(token)s, %(user_id)s::text, false, now(), now(),
    %(parent)s, %(session_id)s
)

-- The session a refresh token belongs to, without a lock.
-- name: refresh_token
select token, session_id, user_id::uuid as user_id, updated_at
from auth.refresh_tokens
where token = %(token)s

-- One refresh at a time per session; a second one comes back later instead of waiting here.
-- name: lock_session
select * from auth.sessions where id = %(id)s for update skip locked

-- name: session_by_id
select * from auth.sessions where id = %(id)s

-- The session as it stands after whoever is changing it.
-- name: hold_session
select * from auth.sessions where id = %(id)s for update

-- name: lift_session
update auth.sessions set aal = %(aal)s::auth.aal_level, factor_id = %(factor_id)s, updated_at = now()
where id = %(id)s

-- Tokens from before the session was lifted must never give a lifted one.
-- name: delete_session_tokens
delete from auth.refresh_tokens where session_id = %(session_id)s

-- name: session_exists
select exists (select from auth.sessions where id = %(id)s) as found

-- The presented token and the session's newest unrevoked one, read under the session's lock.
-- name: refresh_state
select
    presented.revoked,
    presented.updated_at > now() - make_interval(secs => %(reuse_s)s) as is_recent,
    active.token as active_token,
    active.parent as active_parent
from auth.refresh_tokens as presented
left join lateral (
    select token, parent
    from auth.refresh_tokens
    where session_id = presented.session_id and revoked = false
    order by id desc
    limit 1
) as active on true
where presented.token = %(token)s

-- name: revoke_token
update auth.refresh_tokens set revoked = true, updated_at = now() where token = %(token)s

-- A stolen token was used: nothing of that session counts any more.
-- name: revoke_session_tokens
update auth.refresh_tokens
set revoked = true, updated_at = now()
where session_id = %(session_id)s and revoked = false

-- name: sessions_of
select * from auth.sessions where user_id = %(user_id)s

-- name: has_factor
select exists (
    select from auth.mfa_factors where user_id = %(user_id)s and status = 'verified'
) as found

-- name: touch_session
update auth.sessions
set refreshed_at = now() at time zone 'utc', updated_at = now(),
    user_agent = %(user_agent)s, ip = %(ip)s::inet
where id = %(id)s

-- name: delete_sessions_of
delete from auth.sessions where user_id = %(user_id)s

-- name: delete_session
delete from auth.sessions where id = %(id)s

-- name: delete_other_sessions
delete from auth.sessions where user_id = %(user_id)s and id is distinct from %(id)s

-- name: update_password
update auth.users
set encrypted_password = %(encrypted_password)s, recovery_token = '', updated_at = now()
where id = %(id)s

-- Keys of the change win, and keys whose new value is null go.
-- name: merge_user_meta
update auth.users
set raw_user_meta_data =
        (coalesce(raw_user_meta_data, '{}') || %(set)s) - %(removed)s::text[],
    updated_at = now()
where id = %(id)s

-- name: update_email
update auth.users
set email = %(email)s::text, email_change = '', email_confirmed_at = now(),
    raw_user_meta_data = coalesce(raw_user_meta_data, '{}')
        || jsonb_build_object('email', %(email)s::text, 'email_verified', true),
    updated_at = now()
where id = %(id)s

-- name: update_identity_email
update auth.identities
set identity_data = identity_data || jsonb_build_object('email', %(email)s::text),
    updated_at = now()
where user_id = %(id)s and provider = 'email'

-- One page of all users; the pattern is NULL for no filter.
-- name: list_users
select *
from auth.users
where deleted_at is null
    and (
        %(pattern)s::text is null
        or email like %(pattern)s
        or raw_user_meta_data ->> 'full_name' ilike %(pattern)s
    )
order by
    case when %(ascending)s then created_at end asc,
    case when not %(ascending)s then created_at end desc,
    id
limit %(limit)s offset %(offset)s

-- name: count_users
select count(*) as total
from auth.users
where deleted_at is null
    and (
        %(pattern)s::text is null
        or email like %(pattern)s
        or raw_user_meta_data ->> 'full_name' ilike %(pattern)s
    )

-- The identities of the users of one page.
-- name: identities_of_many
select * from auth.identities where user_id = any(%(user_ids)s) order by created_at, id

-- A user as an administrator wants it; nothing is added to its metadata.
-- name: admin_insert_user
insert into auth.users (
    instance_id, id, aud, role, email, phone, encrypted_password,
    confirmation_token, recovery_token, email_change_token_new, email_change,
    raw_app_meta_data, raw_user_meta_data, created_at, updated_at,
    email_confirmed_at, phone_confirmed_at, banned_until
) values (
    '00000000-0000-0000-0000-000000000000', %(id)s, %(aud)s, %(role)s, %(email)s, %(phone)s,
    %(encrypted_password)s, '', '', '', '', %(app_meta)s, %(user_meta)s, now(), now(),
    case when %(email_confirm)s then now() end,
    case when %(phone_confirm)s then now() end,
    now() + make_interval(secs => %(ban_s)s)
)

-- name: admin_insert_identity
insert into auth.identities (
    provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at
) values (%(user_id)s::text, %(user_id)s, %(data)s, %(provider)s, now(), now(), now())

-- What is NULL stays as it is; metadata is merged, keys in the removed lists go.
-- name: admin_update_user
update auth.users
set role = coalesce(%(role)s, role),
    email = coalesce(%(email)s::text, email),
    phone = coalesce(%(phone)s, phone),
    encrypted_password = coalesce(%(encrypted_password)s, encrypted_password),
    email_confirmed_at = case
        when %(email_confirm)s then coalesce(email_confirmed_at, now()) else email_confirmed_at end,
    phone_confirmed_at = case
        when %(phone_confirm)s then coalesce(phone_confirmed_at, now()) else phone_confirmed_at end,
    banned_until = case
        when %(bans)s then now() + make_interval(secs => %(ban_s)s) else banned_until end,
    raw_user_meta_data =
        (coalesce(raw_user_meta_data, '{}') || %(user_meta)s) - %(user_meta_removed)s::text[],
    raw_app_meta_data =
        (coalesce(raw_app_meta_data, '{}') || %(app_meta)s) - %(app_meta_removed)s::text[],
    updated_at = now()
where id = %(id)s and deleted_at is null

-- name: delete_user
delete from auth.users where id = %(id)s and deleted_at is null

-- The row stays for foreign keys; what names a person is hashed or emptied, the address is free.
-- name: soft_delete_user
update auth.users
set email = encode(sha256(convert_to(id::text || coalesce(email, ''), 'utf8')), 'hex'),
    phone = encode(sha256(convert_to(id::text || coalesce(phone, ''), 'utf8')), 'hex'),
    encrypted_password = '', confirmation_token = '', recovery_token = '',
    email_change = '', email_change_token_new = '', email_change_token_current = '',
    phone_change = '', phone_change_token = '', reauthentication_token = '',
    raw_user_meta_data = '{}', raw_app_meta_data = '{}',
    deleted_at = now(), updated_at = now()
where id = %(id)s and deleted_at is null

-- name: obfuscate_identities
update auth.identities
set provider_id = encode(sha256(convert_to(id::text || provider_id, 'utf8')), 'hex'),
    identity_data = '{}', updated_at = now()
where user_id = %(user_id)s
