create schema private;
create table public.note (id uuid primary key);
create table private.note (id uuid primary key);
create temporary table scratch (id int);
