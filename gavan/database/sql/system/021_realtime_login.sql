-- The realtime service logs in as the owner of its schema, as auth and storage do: policies and types
-- of the user run in its sessions, and whoever they become there is no superuser. It may act as
-- whatever role the data API may act as, those that the user grants to authenticator included.
alter role supabase_realtime_admin login;
grant authenticator to supabase_realtime_admin;
