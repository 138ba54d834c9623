create table public.board (
  id bigint generated always as identity primary key,
  name text,
  index int
);
create index board_name on public.board (name);
alter table public.board enable row level security;
