-- One page of all users, those that were deleted softly included; the pattern is NULL for no
-- filter.
-- name: list_users
select *
from auth.users
where coalesce(nullif(aud, ''), %(aud)s) = %(aud)s
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
where coalesce(nullif(aud, ''), %(aud)s) = %(aud)s
    and (
        %(pattern)s::text is null
        or email like %(pattern)s
        or raw_user_meta_data ->> 'full_name' ilike %(pattern)s
    )

-- The identities of the users of one page.
-- name: identities_of_many
select * from auth.identities where user_id = any(%(user_ids)s) order by created_at, id

-- name: set_role
update auth.users set role = %(role)s, updated_at = now() where id = %(id)s

-- A length that is NULL ends a ban.
-- name: ban
update auth.users
set banned_until = now() + make_interval(secs => %(ban_s)s), updated_at = now()
where id = %(id)s

-- name: delete_user
delete from auth.users where id = %(id)s

-- The row stays for foreign keys; what names a person is hashed or emptied, the address is free.
-- name: soft_delete_user
update auth.users
set email = translate(rtrim(encode(
        sha256(convert_to(id::text || coalesce(email, ''), 'utf8')), 'base64'), '='), '+/', '-_'),
    email_change = translate(rtrim(encode(
        sha256(convert_to(id::text || coalesce(email_change, ''), 'utf8')), 'base64'), '='),
        '+/', '-_'),
    phone = left(translate(encode(
        sha256(convert_to(id::text || coalesce(phone, ''), 'utf8')), 'base64'), '+/', '-_'), 15),
    phone_change = left(translate(encode(
        sha256(convert_to(id::text || coalesce(phone_change, ''), 'utf8')), 'base64'),
        '+/', '-_'), 15),
    encrypted_password = null, confirmation_token = '', recovery_token = '',
    email_change_token_new = '', email_change_token_current = '', phone_change_token = '',
    reauthentication_token = '', raw_user_meta_data = '{}', raw_app_meta_data = '{}',
    deleted_at = now(), updated_at = now()
where id = %(id)s

-- name: obfuscate_identities
update auth.identities
set provider_id = translate(rtrim(encode(
        sha256(convert_to(user_id::text || provider || ':' || provider_id, 'utf8')), 'base64'),
        '='), '+/', '-_'),
    identity_data = '{}', updated_at = now()
where user_id = %(user_id)s

-- name: delete_factors
delete from auth.mfa_factors where user_id = %(user_id)s

-- name: delete_passkeys
delete from auth.webauthn_credentials where user_id = %(user_id)s
