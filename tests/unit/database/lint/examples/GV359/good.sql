-- gavan: no-transaction
vacuum (analyze) public.card;
reindex (concurrently) table public.card;
