-- Everything in it is computed from public.card_move.
drop schema if exists metrics cascade;
