-- Second factors and their challenges; schema auth is owned by the role that runs these.

-- Factors that nobody finished enrolling and that no challenge refers to.
-- name: delete_expired_factors
delete from auth.mfa_factors as factor
where factor.status <> 'verified'
    and factor.created_at + make_interval(secs => %(lifetime_s)s) < now()
    and not exists (select from auth.mfa_challenges where factor_id = factor.id)

-- name: insert_factor
insert into auth.mfa_factors (
    id, user_id, friendly_name, factor_type, status, created_at, updated_at, secret, phone
) values (
    %(id)s, %(user_id)s, %(friendly_name)s, %(factor_type)s::auth.factor_type, 'unverified',
    now(), now(), %(secret)s, %(phone)s
)

-- name: delete_unverified_phone
delete from auth.mfa_factors
where user_id = %(user_id)s and phone = %(phone)s and status = 'unverified'

-- name: factor_of
select * from auth.mfa_factors where id = %(id)s and user_id = %(user_id)s

-- name: delete_factor
delete from auth.mfa_factors where id = %(id)s

-- Sessions that this factor lifted fall back; the proof it gave no longer counts.
-- name: delete_amr_of_factor
delete from auth.mfa_amr_claims as amr
using auth.sessions as session
where session.id = amr.session_id
    and session.factor_id = %(factor_id)s
    and amr.authentication_method = %(method)s

-- name: downgrade_sessions
update auth.sessions set aal = 'aal1', factor_id = null where factor_id = %(factor_id)s

-- name: rename_factor
update auth.mfa_factors
set friendly_name = coalesce(nullif(%(friendly_name)s::text, ''), friendly_name),
    phone = coalesce(nullif(%(phone)s::text, ''), phone),
    updated_at = now()
where id = %(id)s

-- name: insert_challenge
insert into auth.mfa_challenges (
    id, factor_id, created_at, ip_address, otp_code, web_authn_session_data
) values (
    %(id)s, %(factor_id)s, now(), %(ip)s::inet, %(otp_code)s, %(session_data)s
)

-- The clock, not the transaction's time: the column is unique.
-- name: touch_challenged
update auth.mfa_factors set last_challenged_at = clock_timestamp() where id = %(id)s

-- name: challenge_of
select challenge.*,
    created_at + make_interval(secs => %(lifetime_s)s) < now() as is_expired,
    ip_address is not distinct from %(ip)s::inet as is_same_address
from auth.mfa_challenges as challenge
where id = %(id)s and factor_id = %(factor_id)s

-- Exactly one answer uses a challenge up.
-- name: use_challenge
update auth.mfa_challenges set verified_at = now() where id = %(id)s and verified_at is null

-- name: delete_challenge
delete from auth.mfa_challenges where id = %(id)s

-- name: verify_factor
update auth.mfa_factors
set status = 'verified', updated_at = now(),
    web_authn_credential = coalesce(%(credential)s::jsonb, web_authn_credential),
    web_authn_aaguid = coalesce(%(aaguid)s, web_authn_aaguid)
where id = %(id)s

-- name: delete_unverified_factors
delete from auth.mfa_factors
where user_id = %(user_id)s and status = 'unverified' and factor_type = %(factor_type)s::auth.factor_type

-- name: delete_weaker_sessions
delete from auth.sessions where user_id = %(user_id)s and aal < 'aal2'
