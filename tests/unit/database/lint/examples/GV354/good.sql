alter table public.card add constraint card_board foreign key (board_id) references public.board (id) not valid;
alter table public.card validate constraint card_size;
