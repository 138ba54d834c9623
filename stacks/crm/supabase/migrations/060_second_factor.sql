-- Whoever has set up a second factor must have proved it: then a stolen password opens no board.
-- The token says so (`aal`), the table says whether there is anything to prove.

create function private.has_proved() returns boolean
language sql stable security definer set search_path = '' as $$
  select coalesce(auth.jwt() ->> 'aal', '') = 'aal2' or not exists (
    select from auth.mfa_factors f where f.user_id = auth.uid() and f.status = 'verified')
$$;

revoke all on function private.has_proved from public;
grant execute on function private.has_proved to authenticated, service_role;

-- Policies, functions and metrics all ask these two, so the rule holds on every road.
create or replace function private.my_boards() returns setof uuid
language sql stable security definer set search_path = '' as $$
  select m.board_id from public.board_member m
  where m.user_id = auth.uid() and (select private.has_proved())
  union all
  select b.id from public.board b where auth.role() = 'service_role'
$$;

create or replace function private.owned_boards() returns setof uuid
language sql stable security definer set search_path = '' as $$
  select m.board_id from public.board_member m
  where m.user_id = auth.uid() and m.role = 'owner' and (select private.has_proved())
$$;

-- These tables have policies that ask only who the caller is.
create policy board_proved on public.board as restrictive for all to authenticated
  using ((select private.has_proved()));
create policy board_member_proved on public.board_member as restrictive for all to authenticated
  using ((select private.has_proved()));
