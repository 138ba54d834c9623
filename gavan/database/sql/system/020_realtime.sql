-- Schema realtime (contract realtime.md 13): messages, subscriptions, what triggers call to send.
create schema realtime authorization supabase_realtime_admin;
grant usage on schema realtime to postgres with grant option;
grant usage on schema realtime to anon, authenticated, service_role;

create type realtime.action as enum ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'ERROR');
create type realtime.equality_op as enum (
    'eq', 'neq', 'lt', 'lte', 'gt', 'gte', 'in',
    'like', 'ilike', 'is', 'match', 'imatch', 'isdistinct');
create type realtime.user_defined_filter as (
    column_name text,
    op realtime.equality_op,
    value text,
    negate boolean
);

create table realtime.schema_migrations (
    version bigint primary key,
    inserted_at timestamp(0)
);

create table realtime.messages (
    id uuid not null default gen_random_uuid(),
    topic text not null,
    extension text not null,
    payload jsonb,
    binary_payload bytea,
    event text,
    private boolean default false,
    inserted_at timestamp not null default now(),
    updated_at timestamp not null default now(),
    primary key (id, inserted_at),
    constraint messages_one_payload check (payload is null or binary_payload is null)
) partition by range (inserted_at);
create index messages_inserted_at_topic_index on realtime.messages (inserted_at desc, topic)
    where extension = 'broadcast' and private is true;
alter table realtime.messages enable row level security;

create table realtime.subscription (
    id bigint generated always as identity primary key,
    subscription_id uuid not null,
    entity regclass not null,
    filters realtime.user_defined_filter[] not null default '{}',
    claims jsonb not null,
    claims_role regrole not null,
    created_at timestamp not null default timezone('utc', now()),
    action_filter text default '*' check (action_filter in ('*', 'INSERT', 'UPDATE', 'DELETE')),
    selected_columns text[]
);
create index ix_realtime_subscription_entity on realtime.subscription (entity);

create function realtime.topic() returns text
    language sql stable
    as $body$ select nullif(current_setting('realtime.topic', true), '') $body$;

-- A message is best effort: whatever goes wrong becomes a warning in the caller's transaction.
create function realtime.send(
    payload jsonb, event text, topic text, private boolean default true
) returns void
    language plpgsql
    as $body$
declare
    message_id uuid := gen_random_uuid();
    body jsonb := payload;
begin
    if jsonb_typeof(body) = 'object' and not body ? 'id' then
        body := body || jsonb_build_object('id', message_id);
    end if;
    perform set_config('realtime.topic', topic, true);
    insert into realtime.messages (id, payload, event, topic, private, extension)
    values (message_id, body, event, topic, private, 'broadcast');
exception when others then
    raise warning 'ErrorSendingBroadcastMessage: %', sqlerrm;
end
$body$;

create function realtime.send_binary(
    payload bytea, event text, topic text, private boolean default true
) returns void
    language plpgsql
    as $body$
begin
    perform set_config('realtime.topic', topic, true);
    insert into realtime.messages (binary_payload, event, topic, private, extension)
    values (payload, event, topic, private, 'broadcast');
exception when others then
    raise warning 'ErrorSendingBroadcastMessage: %', sqlerrm;
end
$body$;

create function realtime.broadcast_changes(
    topic_name text, event_name text, operation text, table_name text, table_schema text,
    new record, old record, level text default 'ROW'
) returns void
    language plpgsql
    as $body$
begin
    if level = 'STATEMENT' then
        raise exception 'Failed to process the row: statement level triggers have no row';
    end if;
    if operation not in ('INSERT', 'UPDATE', 'DELETE') then
        raise exception 'Failed to process the row: unexpected operation type %', operation;
    end if;
    perform realtime.send(
        jsonb_build_object(
            'operation', operation,
            'schema', table_schema,
            'table', table_name,
            'record', case when operation <> 'DELETE' then to_jsonb(new) end,
            'old_record', case when operation <> 'INSERT' then to_jsonb(old) end),
        event_name, topic_name);
end
$body$;

-- Daily partitions from yesterday to three days ahead; rows live 72 hours.
create function gavan.maintain_realtime_partitions() returns void
    language plpgsql
    set search_path = ''
    as $body$
declare
    day date;
    stale text;
begin
    for day in
        select generate_series(current_date - 1, current_date + 3, interval '1 day')::date
    loop
        execute format(
            'create table if not exists realtime.%I partition of realtime.messages'
            ' for values from (%L) to (%L)',
            'messages_' || to_char(day, 'YYYY_MM_DD'), day, day + 1);
    end loop;
    for stale in
        select child.relname
        from pg_catalog.pg_inherits as link
        join pg_catalog.pg_class as child on child.oid = link.inhrelid
        where link.inhparent = 'realtime.messages'::regclass
            and child.relname < 'messages_' || to_char(current_date - 3, 'YYYY_MM_DD')
    loop
        execute format('drop table realtime.%I', stale);
    end loop;
end
$body$;
revoke all on function gavan.maintain_realtime_partitions() from public;
select gavan.maintain_realtime_partitions();

alter table realtime.messages owner to supabase_realtime_admin;
alter table realtime.subscription owner to supabase_realtime_admin;
alter table realtime.schema_migrations owner to supabase_realtime_admin;
alter function realtime.topic() owner to supabase_realtime_admin;
alter function realtime.send(jsonb, text, text, boolean) owner to supabase_realtime_admin;
alter function realtime.send_binary(bytea, text, text, boolean) owner to supabase_realtime_admin;
alter function realtime.broadcast_changes(text, text, text, text, text, record, record, text)
    owner to supabase_realtime_admin;

grant select, insert, update on realtime.messages to anon, authenticated, service_role;
grant select on realtime.subscription, realtime.schema_migrations to anon, authenticated,
    service_role;
grant all on all tables in schema realtime to postgres, dashboard_user;
grant all on all sequences in schema realtime to postgres, dashboard_user;
grant all on all routines in schema realtime to postgres, dashboard_user;

-- User migrations run as postgres and add their tables to the first one.
create publication supabase_realtime;
alter publication supabase_realtime owner to postgres;
create publication supabase_realtime_messages_publication for table realtime.messages;
