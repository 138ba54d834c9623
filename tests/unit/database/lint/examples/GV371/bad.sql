alter table auth.users add column nickname text; -- <-
create table storage.labels (id uuid primary key); -- <-
create function auth.nickname() returns text language sql as 'select 1'; -- <-
create index users_name on auth.users (email); -- gavan: allow=GV353(an example of something else) -- <-
