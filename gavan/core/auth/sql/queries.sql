-- Queries of the auth service. It logs in as supabase_auth_admin, the owner of schema auth.

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
