drop function if exists public.archive_card(uuid, boolean);
drop function if exists public.move_card(uuid, uuid, int);
drop function if exists public.create_card(
  uuid, text, text, text, int, int, uuid, text[], date, int);
drop function if exists private.last_index(public.card);
drop function if exists private.index_of(public.card);
drop function if exists private.place(uuid, uuid, int);
drop function if exists private.check_wip(uuid, uuid);
drop function if exists private.lock_board_of(uuid);
drop trigger if exists card_history_update on public.card;
drop trigger if exists card_history_insert on public.card;
drop function if exists private.card_history();
drop function if exists private.not_found(text);
drop function if exists private.owned_boards();
drop function if exists private.my_boards();
