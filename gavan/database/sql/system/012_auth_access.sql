-- Schema auth: the functions that policies call, row security, grants, upstream's version list.
set local role supabase_auth_admin;

create function auth.uid() returns uuid
    language sql stable
    as $body$
    select coalesce(
        nullif(current_setting('request.jwt.claim.sub', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
    )::uuid
$body$;

create function auth.role() returns text
    language sql stable
    as $body$
    select coalesce(
        nullif(current_setting('request.jwt.claim.role', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
    )
$body$;

create function auth.email() returns text
    language sql stable
    as $body$
    select coalesce(
        nullif(current_setting('request.jwt.claim.email', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email'
    )
$body$;

create function auth.jwt() returns jsonb
    language sql stable
    as $body$
    select coalesce(
        nullif(current_setting('request.jwt.claim', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')
    )::jsonb
$body$;

grant usage on schema auth to anon, authenticated, service_role;
grant all on schema auth to postgres, dashboard_user;
grant all on all tables in schema auth to postgres, dashboard_user;
grant all on all sequences in schema auth to postgres, dashboard_user;
grant all on all routines in schema auth to postgres, dashboard_user;
grant select on all tables in schema auth to postgres with grant option;
revoke all on auth.schema_migrations from postgres, dashboard_user;
grant select on auth.schema_migrations to postgres with grant option;
alter default privileges for role supabase_auth_admin in schema auth
    grant all on tables to postgres, dashboard_user;
alter default privileges for role supabase_auth_admin in schema auth
    grant all on sequences to postgres, dashboard_user;
alter default privileges for role supabase_auth_admin in schema auth
    grant all on routines to postgres, dashboard_user;

-- Row security without a policy: only the owner and roles that bypass it see rows.
do $rls$
declare
    guarded text;
begin
    foreach guarded in array array[
        'schema_migrations', 'instances', 'users', 'audit_log_entries', 'saml_relay_states',
        'refresh_tokens', 'mfa_factors', 'sessions', 'sso_providers', 'sso_domains',
        'mfa_challenges', 'mfa_amr_claims', 'saml_providers', 'flow_state', 'identities',
        'one_time_tokens']
    loop
        execute format('alter table auth.%I enable row level security', guarded);
    end loop;
end
$rls$;

insert into auth.schema_migrations (version)
select unnest(string_to_array(
    '00 20210710035447 20210722035447 20210730183235 20210909172000 20210927181326'
    || ' 20211122151130 20211124214934 20211202183645 20220114185221 20220114185340'
    || ' 20220224000811 20220323170000 20220429102000 20220531120530 20220614074223'
    || ' 20220811173540 20221003041349 20221003041400 20221011041400 20221020193600'
    || ' 20221021073300 20221021082433 20221027105023 20221114143122 20221114143410'
    || ' 20221125140132 20221208132122 20221215195500 20221215195800 20221215195900'
    || ' 20230116124310 20230116124412 20230131181311 20230322519590 20230402418590'
    || ' 20230411005111 20230508135423 20230523124323 20230818113222 20230914180801'
    || ' 20231027141322 20231114161723 20231117164230 20240115144230 20240214120130'
    || ' 20240306115329 20240314092811 20240427152123 20240612123726 20240729123726'
    || ' 20240802193726 20240806073726 20241009103726 20250717082212 20250731150234'
    || ' 20250804100000 20250901200500 20250903112500 20250904133000 20250925093508'
    || ' 20251007112900 20251104100000 20251111201300 20251201000000 20260115000000'
    || ' 20260121000000 20260219120000 20260302000000 20260625000000',
    ' '));
