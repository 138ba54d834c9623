drop table if exists public.label;
alter table public.card drop column if exists due_date, drop constraint if exists card_size;
