alter table public.card validate constraint card_id_set;
alter table public.card alter column id set not null;
alter table public.card alter column colour type text;
