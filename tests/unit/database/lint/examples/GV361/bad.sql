create table column ( -- <-
  id uuid primary key,
  name text not null
);
create table public.card (
  id uuid primary key,
  column_id uuid not null references column(id) -- <-
);
create index card_column on public.card (column_id);
insert into column (id, name) values (gen_random_uuid(), 'Backlog'); -- <-
alter table "column" enable row level security;
alter table public.card enable row level security;
