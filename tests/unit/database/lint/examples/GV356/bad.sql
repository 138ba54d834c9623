alter table public.card add column due_date date;
create index concurrently card_due_date on public.card (due_date); -- <-
vacuum public.card; -- <-
