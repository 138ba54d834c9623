-- The data API takes media types from aggregates and the looks of domains from casts: they reload
-- it too.
create or replace function extensions.pgrst_ddl_watch() returns event_trigger
    language plpgsql
    as $watch$
begin
    if exists (
        select from pg_event_trigger_ddl_commands() as command
        where command.command_tag in (
                'CREATE SCHEMA', 'ALTER SCHEMA',
                'CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE',
                'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE',
                'CREATE VIEW', 'ALTER VIEW',
                'CREATE MATERIALIZED VIEW', 'ALTER MATERIALIZED VIEW',
                'CREATE FUNCTION', 'ALTER FUNCTION', 'ALTER ROUTINE',
                'CREATE AGGREGATE', 'ALTER AGGREGATE', 'CREATE CAST',
                'CREATE TYPE', 'ALTER TYPE', 'CREATE DOMAIN', 'ALTER DOMAIN',
                'CREATE TRIGGER', 'CREATE RULE', 'COMMENT')
            and coalesce(command.schema_name, '')
                not in ('pg_temp', 'auth', 'realtime', 'storage', 'gavan')
            and command.object_identity not like '% pg\_temp.%'
    ) then
        notify pgrst, 'reload schema';
    end if;
end
$watch$;

create or replace function extensions.pgrst_drop_watch() returns event_trigger
    language plpgsql
    as $watch$
begin
    if exists (
        select from pg_event_trigger_dropped_objects() as object
        where object.object_type in (
                'schema', 'table', 'foreign table', 'view', 'materialized view',
                'function', 'aggregate', 'cast', 'trigger', 'type', 'rule',
                'table column', 'table constraint')
            and not object.is_temporary
            and coalesce(object.schema_name, '')
                not in ('pg_temp', 'auth', 'realtime', 'storage', 'gavan')
            and object.object_identity not like '% pg\_temp.%'
    ) then
        notify pgrst, 'reload schema';
    end if;
end
$watch$;
