create table item (id bigint generated always as identity primary key, price integer not null);
alter table item enable row level security;
