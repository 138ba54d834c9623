alter table public.card add constraint card_board foreign key (board_id) references public.board (id); -- <-
alter table public.card add check (position >= 0); -- <-
alter table public.card add constraint card_title check (title <> '') not valid; -- <-
alter table public.card add constraint card_colour check (colour <> '') not valid;
alter table public.card validate constraint card_colour; -- <-
create index card_board on public.card (board_id); -- gavan: allow=GV353(an example of something else)
