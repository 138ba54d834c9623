alter table public.card add column name text;
alter index public.card_title rename to card_name;
create table public.label (id uuid primary key, title text);
alter table public.label rename column title to name;
alter table public.label enable row level security;
