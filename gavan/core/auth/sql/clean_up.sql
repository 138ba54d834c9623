-- Rows that serve nobody any more. Every statement takes few rows and only those that nobody holds,
-- so that it waits for nobody and nobody for it (supabase/auth:internal/models/cleanup.go).

-- name: revoked_tokens
delete from auth.refresh_tokens
where id in (
    select id
    from auth.refresh_tokens
    where revoked and updated_at < now() - interval '24 hours'
    limit 100
    for update skip locked
)

-- Ten at once: what belongs to a session goes with it.
-- name: ended_sessions
delete from auth.sessions
where id in (
    select id
    from auth.sessions
    where not_after < now() - interval '72 hours'
    limit 10
    for update skip locked
)

-- name: relay_states
delete from auth.saml_relay_states
where id in (
    select id
    from auth.saml_relay_states
    where created_at < now() - interval '24 hours'
    limit 100
    for update skip locked
)

-- name: flow_states
delete from auth.flow_state
where id in (
    select id
    from auth.flow_state
    where created_at < now() - interval '24 hours'
    limit 100
    for update skip locked
)

-- name: client_states
delete from auth.oauth_client_states
where id in (
    select id
    from auth.oauth_client_states
    where created_at < now() - interval '24 hours'
    limit 100
    for update skip locked
)

-- name: challenges
delete from auth.mfa_challenges
where id in (
    select id
    from auth.mfa_challenges
    where created_at < now() - interval '24 hours'
    limit 100
    for update skip locked
)

-- name: unverified_factors
delete from auth.mfa_factors
where id in (
    select id
    from auth.mfa_factors
    where created_at < now() - interval '24 hours' and status = 'unverified'
    limit 100
    for update skip locked
)

-- name: passkey_challenges
delete from auth.webauthn_challenges
where id in (
    select id
    from auth.webauthn_challenges
    where expires_at < now()
    limit 100
    for update skip locked
)

-- name: anonymous_users
delete from auth.users
where id in (
    select id
    from auth.users
    where is_anonymous and created_at < now() - interval '30 days'
    limit 100
    for update skip locked
)

-- name: old_sessions
delete from auth.sessions
where id in (
    select id
    from auth.sessions
    where created_at + make_interval(secs => %(timebox_s)s) < now() - interval '24 hours'
    limit 100
    for update skip locked
)

-- A session that was never refreshed is as old as its beginning.
-- name: idle_sessions
delete from auth.sessions
where id in (
    select id
    from auth.sessions
    where coalesce(refreshed_at at time zone 'utc', created_at)
        + make_interval(secs => %(inactivity_s)s) < now() - interval '24 hours'
    limit 100
    for update skip locked
)
