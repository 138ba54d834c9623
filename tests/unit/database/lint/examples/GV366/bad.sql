create table public.note (
  id serial primary key, -- <-
  title varchar(80), -- <-
  meta json, -- <-
  made_at timestamp default now() -- <-
);
alter table public.note enable row level security;
alter table public.card add column due_at timestamp; -- <-
