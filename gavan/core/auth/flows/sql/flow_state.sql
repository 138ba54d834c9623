-- name: insert_flow
insert into auth.flow_state (
    id, user_id, auth_code, code_challenge_method, code_challenge, provider_type,
    provider_access_token, provider_refresh_token, authentication_method, invite_token, referrer,
    oauth_client_state_id, linking_target_id, email_optional, created_at, updated_at
) values (
    %(id)s, %(user_id)s, %(auth_code)s, %(challenge_method)s::auth.code_challenge_method,
    %(challenge)s, %(provider_type)s, '', '', %(authentication_method)s, %(invite_token)s,
    %(referrer)s, %(oauth_client_state_id)s, %(linking_target_id)s, %(email_optional)s,
    now(), now()
)

-- name: lock_flow
select * from auth.flow_state where id = %(id)s for update skip locked

-- name: bind_flow
update auth.flow_state
set user_id = %(user_id)s, provider_access_token = %(provider_access_token)s,
    provider_refresh_token = %(provider_refresh_token)s,
    auth_code_issued_at = now(), updated_at = now()
where id = %(id)s
returning auth_code

-- The newest flow that this user began by mail; older ones are of links sent before.
-- name: issue_code
update auth.flow_state
set auth_code_issued_at = now(), updated_at = now()
where id = (
    select id
    from auth.flow_state
    where user_id = %(user_id)s and authentication_method = %(authentication_method)s
        and code_challenge is not null
    order by created_at desc
    limit 1
)
returning auth_code

-- A second redemption waits for the first one's end and then finds no row.
-- name: flow_by_code
select *,
    case
        when authentication_method = 'magiclink' then coalesce(auth_code_issued_at, created_at)
        else created_at
    end + make_interval(secs => %(lifetime_s)s) < now() as is_expired
from auth.flow_state
where auth_code = %(auth_code)s
for update

-- name: delete_flow
delete from auth.flow_state where id = %(id)s
