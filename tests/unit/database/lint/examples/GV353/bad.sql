create unique index card_title on public.card (title); -- <-
