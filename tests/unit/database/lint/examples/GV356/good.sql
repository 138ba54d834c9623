create index concurrently card_due_date on public.card (due_date);
drop index concurrently if exists public.card_title;
