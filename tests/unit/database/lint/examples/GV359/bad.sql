-- gavan: no-transaction
lock table public.card in exclusive mode; -- <-
vacuum full public.card; -- <-
cluster public.card using card_pkey; -- <-
reindex table public.card; -- <-
