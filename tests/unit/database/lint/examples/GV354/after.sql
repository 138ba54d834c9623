alter table public.card validate constraint card_board;
create index card_board on public.card (board_id);
