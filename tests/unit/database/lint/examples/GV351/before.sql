create table public.card (id uuid primary key, position int, colour varchar(20));
alter table public.card enable row level security;
alter table public.card add constraint card_id_set check (id is not null) not valid;
