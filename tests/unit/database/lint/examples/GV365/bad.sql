create table public.note ( -- <-
  board_id uuid references public.board (id), -- <-
  name text
);
create index note_name on public.note (name);
create index note_name_again on public.note (name); -- <-
alter table public.note enable row level security;
