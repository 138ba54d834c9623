-- Cards by title.
-- gavan: allow=GV353() <-
create index concurrently card_title on public.card (title);
-- gavan: allow=GV999(there is none) <-
create index concurrently card_name on public.card (name);
