create table public.card (id uuid primary key, title text);
alter table public.card enable row level security;
create table public.card_copy (like public.card including all);
alter table public.card_copy enable row level security;
-- gavan: allow=GV365(rows are never told apart)
create table public.visit (at timestamptz not null, page text);
alter table public.visit enable row level security;
alter table public.visit replica identity full;
alter publication supabase_realtime add table public.card, public.card_copy, public.visit;
-- gavan: allow=GV365(rows are only added)
create table public.line (at timestamptz not null, words text);
alter table public.line enable row level security;
create publication log for table public.line with (publish = 'insert');
