alter table public.card rename to ticket; -- <-
alter table public.ticket rename column title to name; -- <-
