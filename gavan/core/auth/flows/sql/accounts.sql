-- Rows of auth.users and auth.identities as the flows change them. What a flow looks up it locks,
-- so that two requests about one account follow each other.

-- Seeds may have left instance_id and aud NULL; the indexes on e-mail serve each way.
-- name: lock_by_email
select *, coalesce(banned_until > now(), false) as is_banned
from auth.users
where is_sso_user = false
    and (
        email = %(email)s
        or (instance_id = '00000000-0000-0000-0000-000000000000' and lower(email) = %(email)s)
        or (instance_id is null and lower(email) = %(email)s)
    )
    and coalesce(nullif(aud, ''), %(aud)s) = %(aud)s
    and deleted_at is null
limit 1
for no key update

-- name: lock_by_phone
select *, coalesce(banned_until > now(), false) as is_banned
from auth.users
where is_sso_user = false and phone = %(phone)s
    and coalesce(nullif(aud, ''), %(aud)s) = %(aud)s
    and deleted_at is null
limit 1
for no key update

-- name: lock_by_id
select *, coalesce(banned_until > now(), false) as is_banned
from auth.users
where id = %(id)s
for no key update

-- Who asked last to have this number.
-- name: lock_by_new_phone
select *, coalesce(banned_until > now(), false) as is_banned
from auth.users
where is_sso_user = false and phone_change = %(phone)s
    and coalesce(nullif(aud, ''), %(aud)s) = %(aud)s
    and deleted_at is null
order by phone_change_sent_at desc nulls last
limit 1
for no key update

-- Accounts that an e-mail address belongs to through one of their identities.
-- name: identities_by_email
select identities.user_id, identities.provider
from auth.identities
join auth.users on users.id = identities.user_id
where identities.email = %(email)s
    and identities.user_id is distinct from %(except_id)s
    and coalesce(nullif(users.aud, ''), %(aud)s) = %(aud)s
    and users.deleted_at is null
order by identities.created_at

-- A new user: triggers on auth.users run in this transaction.
-- name: insert_user
insert into auth.users (
    instance_id, id, aud, role, email, phone, encrypted_password,
    confirmation_token, recovery_token, email_change_token_new, email_change,
    raw_app_meta_data, raw_user_meta_data, is_anonymous, is_sso_user,
    created_at, updated_at
) values (
    '00000000-0000-0000-0000-000000000000', %(id)s, %(aud)s, %(role)s, %(email)s, %(phone)s,
    %(encrypted_password)s, '', '', '', '', %(app_meta)s, %(user_meta)s, %(is_anonymous)s,
    %(is_sso_user)s, now(), now()
)

-- name: insert_identity
insert into auth.identities (
    provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at
) values (
    %(provider_id)s, %(user_id)s, %(data)s, %(provider)s, now(), now(), now()
)

-- name: identity_of
select * from auth.identities where provider_id = %(provider_id)s and provider = %(provider)s

-- name: merge_identity
update auth.identities
set identity_data = identity_data || %(data)s, updated_at = now()
where provider_id = %(provider_id)s and provider = %(provider)s

-- name: delete_other_identities
delete from auth.identities
where user_id = %(user_id)s and not (provider_id = %(provider_id)s and provider = %(provider)s)

-- What an unconfirmed account claimed of itself gives way to what this sign-up says.
-- name: set_user_meta
update auth.users
set raw_user_meta_data = %(user_meta)s, updated_at = now()
where id = %(id)s

-- Keys of the change win, and keys whose new value is null go.
-- name: merge_meta
update auth.users
set raw_user_meta_data =
        (coalesce(raw_user_meta_data, '{}') || %(user_meta)s) - %(user_removed)s::text[],
    raw_app_meta_data =
        (coalesce(raw_app_meta_data, '{}') || %(app_meta)s) - %(app_removed)s::text[],
    updated_at = now()
where id = %(id)s

-- The providers in app_metadata are those of the identities, oldest first.
-- name: refresh_providers
with known as (
    select jsonb_agg(provider order by first_at, provider) as names
    from (
        select provider, min(created_at) as first_at
        from auth.identities
        where user_id = %(id)s
        group by provider
    ) as providers
)
update auth.users
set raw_app_meta_data = coalesce(raw_app_meta_data, '{}')
        || jsonb_build_object('providers', coalesce(known.names, '[]'))
        || case
            when known.names is null then '{}'::jsonb
            else jsonb_build_object('provider', known.names -> 0)
        end,
    updated_at = now()
from known
where users.id = %(id)s

-- name: confirm_email
update auth.users
set email_confirmed_at = now(), confirmation_token = '',
    raw_user_meta_data = coalesce(raw_user_meta_data, '{}') || '{"email_verified": true}',
    updated_at = now()
where id = %(id)s

-- name: confirm_phone
update auth.users
set phone_confirmed_at = now(), confirmation_token = '', updated_at = now()
where id = %(id)s

-- name: verify_identity_email
update auth.identities
set identity_data = identities.identity_data || '{"email_verified": true}', updated_at = now()
from auth.users
where users.id = %(id)s and identities.user_id = users.id
    and identities.email <> '' and identities.email = lower(users.email)

-- name: set_anonymous
update auth.users set is_anonymous = %(value)s, updated_at = now() where id = %(id)s

-- name: set_email
update auth.users set email = %(email)s, updated_at = now() where id = %(id)s

-- name: set_phone
update auth.users set phone = %(phone)s, updated_at = now() where id = %(id)s

-- name: apply_email_change
update auth.users
set email = email_change, email_change = '', email_change_token_current = '',
    email_change_token_new = '', email_change_confirm_status = 0, is_anonymous = false,
    updated_at = now()
where id = %(id)s

-- name: apply_phone_change
update auth.users
set phone = phone_change, phone_change = '', phone_change_token = '', phone_confirmed_at = now(),
    is_anonymous = false, updated_at = now()
where id = %(id)s

-- A password change: nothing that was sent before it counts any more.
-- name: set_password
update auth.users
set encrypted_password = %(encrypted_password)s,
    confirmation_token = '', confirmation_sent_at = null,
    recovery_token = '', recovery_sent_at = null,
    email_change_token_current = '', email_change_token_new = '', email_change_sent_at = null,
    phone_change_token = '', phone_change_sent_at = null,
    reauthentication_token = '', reauthentication_sent_at = null,
    updated_at = now()
where id = %(id)s

-- name: find_by_email
select *, coalesce(banned_until > now(), false) as is_banned
from auth.users
where is_sso_user = false
    and (
        email = %(email)s
        or (instance_id = '00000000-0000-0000-0000-000000000000' and lower(email) = %(email)s)
        or (instance_id is null and lower(email) = %(email)s)
    )
    and coalesce(nullif(aud, ''), %(aud)s) = %(aud)s
    and deleted_at is null
limit 1

-- name: find_by_phone
select *, coalesce(banned_until > now(), false) as is_banned
from auth.users
where is_sso_user = false and phone = %(phone)s
    and coalesce(nullif(aud, ''), %(aud)s) = %(aud)s
    and deleted_at is null
limit 1

-- What the caller's session was opened with, and whether it could be worth more.
-- name: standing
select
    (
        select array_agg(authentication_method)
        from auth.mfa_amr_claims
        where session_id = %(session_id)s
    ) as methods,
    exists (
        select from auth.mfa_factors where user_id = %(user_id)s and status = 'verified'
    ) as has_factor

-- name: pend_email
update auth.users set email_change = %(email)s where id = %(id)s

-- name: pend_phone
update auth.users set phone_change = %(phone)s where id = %(id)s
