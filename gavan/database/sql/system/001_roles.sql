-- Roles with Supabase's names, attributes and memberships. Roles belong to the whole cluster and
-- this file runs once per database, so everything here may be repeated. Passwords are set by
-- gavan/database/bootstrap.py, never here.
do $roles$
declare
    wanted record;
begin
    for wanted in
        select * from (values
            ('anon',                        'nologin noinherit'),
            ('authenticated',               'nologin noinherit'),
            ('service_role',                'nologin noinherit bypassrls'),
            ('authenticator',               'login noinherit'),
            ('supabase_auth_admin',         'login noinherit createrole'),
            ('supabase_storage_admin',      'login noinherit createrole'),
            ('supabase_realtime_admin',     'nologin noinherit'),
            ('supabase_functions_admin',    'nologin noinherit createrole'),
            ('supabase_replication_admin',  'nologin replication'),
            ('supabase_etl_admin',          'nologin replication'),
            ('supabase_read_only_user',     'nologin bypassrls'),
            ('dashboard_user',              'nologin createdb createrole replication'),
            ('pgbouncer',                   'nologin'),
            ('postgres',                    'login createdb createrole replication bypassrls')
        ) as role(name, attributes)
    loop
        if not exists (select from pg_catalog.pg_roles where rolname = wanted.name) then
            execute format('create role %I %s', wanted.name, wanted.attributes);
        end if;
    end loop;
end
$roles$;

grant anon, authenticated, service_role to authenticator;
grant anon, authenticated, service_role to supabase_storage_admin;
grant anon, authenticated, service_role to supabase_realtime_admin;
grant pg_read_all_data to supabase_read_only_user;

-- User migrations run as postgres: it hands the API roles on, configures authenticator
-- (alter role ... set pgrst.*) and writes policies on tables of auth, storage and realtime, which
-- needs the owner's membership.
grant anon, authenticated, service_role, authenticator to postgres with admin option;
grant supabase_auth_admin, supabase_storage_admin, supabase_realtime_admin to postgres;
grant pg_monitor, pg_signal_backend, pg_read_all_data, pg_maintain to postgres with admin option;

alter role postgres set search_path = "$user", public, extensions;
alter role supabase_admin set search_path = "$user", public, auth, extensions;
alter role supabase_auth_admin set search_path = auth;
alter role supabase_auth_admin set idle_in_transaction_session_timeout = 60000;
alter role supabase_storage_admin set search_path = storage;

-- Short limits for what comes from outside.
alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';
