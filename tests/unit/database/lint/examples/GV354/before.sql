alter table public.card add constraint card_size check (size > 0) not valid;
