-- Credentials that sign in without a password, and what authenticators are being asked.

-- name: insert_challenge
insert into auth.webauthn_challenges (id, user_id, challenge_type, session_data, expires_at)
values (
    %(id)s, %(user_id)s, %(kind)s, %(session_data)s, now() + make_interval(secs => %(lifetime_s)s)
)

-- Exactly one answer gets the challenge, right or wrong.
-- name: take_challenge
delete from auth.webauthn_challenges
where id = %(id)s and challenge_type = %(kind)s and user_id is not distinct from %(user_id)s
returning session_data, expires_at < now() as is_expired

-- name: passkeys_of
select * from auth.webauthn_credentials where user_id = %(user_id)s order by created_at, id

-- name: passkey_of
select * from auth.webauthn_credentials where id = %(id)s and user_id = %(user_id)s

-- name: passkey_by_credential
select * from auth.webauthn_credentials where credential_id = %(credential_id)s

-- name: insert_passkey
insert into auth.webauthn_credentials (
    user_id, credential_id, public_key, attestation_type, aaguid, sign_count, transports,
    backup_eligible, backed_up, friendly_name
) values (
    %(user_id)s, %(credential_id)s, %(public_key)s, %(attestation_type)s, %(aaguid)s,
    %(sign_count)s, %(transports)s, %(backup_eligible)s, %(backed_up)s, %(friendly_name)s
)
returning *

-- name: use_passkey
update auth.webauthn_credentials
set sign_count = %(sign_count)s, last_used_at = now(), updated_at = now()
where id = %(id)s

-- name: rename_passkey
update auth.webauthn_credentials
set friendly_name = %(friendly_name)s, updated_at = now()
where id = %(id)s and user_id = %(user_id)s
returning *

-- name: delete_passkey
delete from auth.webauthn_credentials where id = %(id)s and user_id = %(user_id)s
