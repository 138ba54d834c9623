-- Schemas beside public, who may see them, and what new tables of the user grant by themselves.
create schema extensions authorization postgres;
create schema graphql;
create schema graphql_public;
create schema supabase_migrations authorization postgres;

grant usage on schema public to postgres, anon, authenticated, service_role;
grant usage on schema extensions to anon, authenticated, service_role, dashboard_user;
grant usage on schema graphql, graphql_public to postgres with grant option;
grant usage on schema graphql, graphql_public to anon, authenticated, service_role;
grant usage on schema extensions to supabase_auth_admin, supabase_storage_admin,
    supabase_realtime_admin;
revoke create on schema public from public;

alter default privileges for role postgres in schema public
    grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges for role postgres in schema public
    grant all on sequences to postgres, anon, authenticated, service_role;
alter default privileges for role postgres in schema public
    grant all on functions to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema public
    grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema public
    grant all on sequences to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema public
    grant all on functions to postgres, anon, authenticated, service_role;

alter default privileges for role supabase_admin in schema extensions
    grant all on tables to postgres with grant option;
-- Not on functions: a dump would then carry GRANTs on the insides of our shims, which the real
-- extensions of another server do not have. PUBLIC may execute them anyway.
alter default privileges for role supabase_admin in schema graphql_public
    grant all on functions to postgres, anon, authenticated, service_role;

-- The runner writes its own log as postgres; what the system applied is only for reading.
grant usage, create on schema gavan to postgres;
grant select on gavan.system_migrations to postgres;
