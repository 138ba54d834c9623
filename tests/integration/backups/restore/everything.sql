-- Something of every kind that a dump must carry; run as the superuser.
create extension hstore schema extensions;
create schema app authorization postgres;
create role drill_owner nologin;
grant drill_owner to postgres;
alter default privileges for role postgres in schema app grant select on tables to anon;
set role postgres;
create type app.mood as enum ('good', 'bad');
create domain app.email as text check (value like '%@%');
create table app.person (
    id bigint generated always as identity primary key,
    email app.email not null,
    mood app.mood default 'good',
    tags extensions.hstore,
    loud text generated always as (upper(email)) stored,
    user_id uuid references auth.users
);
comment on table app.person is 'people; "quoted" and ''so on''';
comment on column app.person.loud is 'generated';
create index person_lower on app.person (lower(email));
create table app.measure (day date not null, value numeric) partition by range (day);
create table app.measure_2026 partition of app.measure
    for values from ('2026-01-01') to ('2027-01-01');
create table app.measure_rest partition of app.measure default;
alter table app.person enable row level security;
alter table app.person force row level security;
create policy own on app.person for select to authenticated using (user_id = auth.uid());
grant select (email) on app.person to authenticated;
create view app.loud with (security_invoker) as select loud from app.person;
create materialized view app.moods as select mood, count(*) from app.person group by mood;
create unique index on app.moods (mood);
create function app.greet(name text) returns text language sql immutable security definer
    set search_path = '' as $$ select 'hello ' || name $$;
revoke execute on function app.greet(text) from public;
create function app.note() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger noted before insert on app.person for each row execute function app.note();
create sequence app.number start 100 increment 5;
create policy "read all" on storage.objects for select to anon using (bucket_id = 'public');
alter publication supabase_realtime add table app.person;
create statistics app.likely (dependencies) on email, mood from app.person;
insert into app.person (email, tags)
    select format('p%s@example.com', i), 'a=>1'::extensions.hstore from generate_series(1, 100) i;
insert into app.measure values ('2026-03-01', 1.5), ('2030-01-01', 2);
refresh materialized view app.moods;
select nextval('app.number'), nextval('app.number');
select lo_from_bytea(4242, 'large'::bytea);
comment on large object 4242 is 'a picture';
grant select on large object 4242 to anon;
reset role;
create function app.noticed() returns event_trigger language plpgsql as $$ begin end $$;
create event trigger noticed on ddl_command_end when tag in ('DROP TABLE')
    execute function app.noticed();
alter event trigger noticed disable;
create table app.odd ("Quoted ""name" int, "с именем" text);
alter table app.odd owner to drill_owner;
insert into app.odd values (1, E'tab\tand\nline'), (2, null);
