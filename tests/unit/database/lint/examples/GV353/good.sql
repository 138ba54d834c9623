-- gavan: no-transaction
create unique index concurrently card_title on public.card (title);
create table public.label (id uuid primary key, name text);
create index label_name on public.label (name);
alter table public.label enable row level security;
