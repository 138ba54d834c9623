create table public.note (
  id uuid primary key,
  board_id uuid references public.board (id),
  name text
);
create index note_board on public.note (board_id);
create index note_name on public.note (name);
create index note_name_lower on public.note (lower(name));
alter table public.note enable row level security;
