create table public.visit (at timestamptz not null, page text);
alter publication supabase_realtime add table public.visit; -- <-
create table public.bare (id uuid primary key);
alter table public.bare replica identity nothing;
create publication audit for table public.bare, -- <-
  public.visit; -- <-
