create table public.note (
  id bigint generated always as identity primary key,
  title text check (length(title) <= 80),
  name varchar,
  meta jsonb,
  made_at timestamptz default now()
);
alter table public.note enable row level security;
