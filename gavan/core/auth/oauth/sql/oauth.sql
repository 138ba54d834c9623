-- Sign-in by an identity provider: who somebody is, what is in flight, and the custom providers.

-- The identity of a person at a provider.
-- name: identity_by_subject
select * from auth.identities where provider_id = %(subject)s and provider = %(provider)s

-- Identities that have one of these addresses, which are in small letters. An address that neither
-- its provider nor the account vouches for is nobody's: whoever typed it somewhere shall not get
-- the owner into their account.
-- name: identities_by_addresses
select identities.*
from auth.identities
join auth.users on users.id = identities.user_id
where identities.email = any(%(emails)s::text[]) and users.deleted_at is null
    and (
        identities.email = lower(users.email)
        or identities.identity_data -> 'email_verified' in ('true', '"true"')
    )
order by identities.created_at, identities.id

-- Accounts that have one of these addresses; those of other linking domains may have any.
-- name: users_by_addresses
select id
from auth.users
where email = any(%(emails)s::text[]) and is_sso_user = false and deleted_at is null

-- What a provider says now of a person that is known.
-- name: refresh_identity
update auth.identities
set identity_data = %(data)s, last_sign_in_at = now(), updated_at = now()
where provider_id = %(subject)s and provider = %(provider)s

-- Whoever gave an unconfirmed account its password proved nothing.
-- name: drop_password
update auth.users set encrypted_password = null, updated_at = now() where id = %(id)s

-- name: user_by_confirmation_token
select users.id
from auth.one_time_tokens
join auth.users on users.id = one_time_tokens.user_id
where one_time_tokens.token_hash = %(token)s
    and one_time_tokens.token_type = 'confirmation_token'
    and users.deleted_at is null

-- Proof towards a provider that a code is ours.
-- name: insert_client_state
insert into auth.oauth_client_states (id, provider_type, code_verifier, created_at)
values (%(id)s, %(provider)s, %(verifier)s, now())

-- It serves once: of two callbacks one finds it.
-- name: take_client_state
delete from auth.oauth_client_states
where id = %(id)s
returning provider_type, code_verifier, created_at < now() - interval '5 minutes' as is_expired

-- name: flow
select *, created_at + make_interval(secs => %(lifetime_s)s) < now() as is_expired
from auth.flow_state
where id = %(id)s

-- name: delete_identity
delete from auth.identities where id = %(id)s and user_id = %(user_id)s

-- The address that an account is left with, and whether it is proved.
-- name: set_address
update auth.users
set email = %(email)s,
    email_confirmed_at = case when %(is_confirmed)s then email_confirmed_at end,
    raw_user_meta_data = case
        when %(is_confirmed)s then raw_user_meta_data
        else coalesce(raw_user_meta_data, '{}') || '{"email_verified": false}'
    end,
    email_change = '', email_change_token_current = '', email_change_token_new = '',
    email_change_sent_at = null, email_change_confirm_status = 0,
    confirmation_token = '', confirmation_sent_at = null,
    recovery_token = '', recovery_sent_at = null,
    phone_change = '', phone_change_token = '', phone_change_sent_at = null,
    reauthentication_token = '', reauthentication_sent_at = null,
    updated_at = now()
where id = %(id)s

-- name: clear_phone
update auth.users
set phone = null, phone_confirmed_at = null, updated_at = now()
where id = %(id)s

-- name: custom_provider
select * from auth.custom_oauth_providers where identifier = %(identifier)s

-- Newest first; a type that is NULL takes all.
-- name: custom_providers
select *
from auth.custom_oauth_providers
where %(provider_type)s::text is null or provider_type = %(provider_type)s
order by created_at desc, id

-- name: count_custom_providers
select count(*) as total from auth.custom_oauth_providers

-- name: put_custom_provider
insert into auth.custom_oauth_providers (
    provider_type, identifier, name, client_id, client_secret, acceptable_client_ids, scopes,
    pkce_enabled, attribute_mapping, authorization_params, enabled, email_optional, issuer,
    discovery_url, skip_nonce_check, cached_discovery, discovery_cached_at, authorization_url,
    token_url, userinfo_url, jwks_uri, custom_claims_allowlist
) values (
    %(provider_type)s, %(identifier)s, %(name)s, %(client_id)s, %(client_secret)s,
    %(acceptable_client_ids)s::text[], %(scopes)s::text[], %(pkce_enabled)s,
    %(attribute_mapping)s, %(authorization_params)s, %(enabled)s, %(email_optional)s, %(issuer)s,
    %(discovery_url)s, %(skip_nonce_check)s, %(cached_discovery)s::jsonb,
    case when %(cached_discovery)s::jsonb is null then null else now() end, %(authorization_url)s,
    %(token_url)s, %(userinfo_url)s, %(jwks_uri)s, %(custom_claims_allowlist)s::text[]
)
on conflict (identifier) do nothing
returning *

-- name: change_custom_provider
update auth.custom_oauth_providers
set name = %(name)s, client_id = %(client_id)s, client_secret = %(client_secret)s,
    acceptable_client_ids = %(acceptable_client_ids)s::text[], scopes = %(scopes)s::text[],
    pkce_enabled = %(pkce_enabled)s, attribute_mapping = %(attribute_mapping)s,
    authorization_params = %(authorization_params)s, enabled = %(enabled)s,
    email_optional = %(email_optional)s, issuer = %(issuer)s, discovery_url = %(discovery_url)s,
    skip_nonce_check = %(skip_nonce_check)s,
    cached_discovery = coalesce(%(cached_discovery)s::jsonb, cached_discovery),
    discovery_cached_at =
        case when %(cached_discovery)s::jsonb is null then discovery_cached_at else now() end,
    authorization_url = %(authorization_url)s, token_url = %(token_url)s,
    userinfo_url = %(userinfo_url)s, jwks_uri = %(jwks_uri)s,
    custom_claims_allowlist = %(custom_claims_allowlist)s::text[], updated_at = now()
where identifier = %(identifier)s
returning *

-- name: delete_custom_provider
delete from auth.custom_oauth_providers where identifier = %(identifier)s
