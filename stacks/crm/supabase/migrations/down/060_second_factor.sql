drop policy if exists board_member_proved on public.board_member;
drop policy if exists board_proved on public.board;

-- As 030_card_moves.sql has them.
create or replace function private.my_boards() returns setof uuid
language sql stable security definer set search_path = '' as $$
  select m.board_id from public.board_member m where m.user_id = auth.uid()
  union all
  select b.id from public.board b where auth.role() = 'service_role'
$$;

create or replace function private.owned_boards() returns setof uuid
language sql stable security definer set search_path = '' as $$
  select m.board_id from public.board_member m where m.user_id = auth.uid() and m.role = 'owner'
$$;

drop function if exists private.has_proved();
