-- Who may what. A row is open to the members of its board and to nobody else; `anon` to nothing.
-- Supabase's default privileges give all on new tables and functions to the API roles: they are
-- taken back here, then granted one by one. Columns that the database keeps are not granted.

revoke all on public.board, public.board_member, public."column", public.task, public.card,
  public.card_move, public.node, public.edge, public.closure, public.embedding
  from anon, authenticated;

grant select on public.board, public.board_member, public."column", public.task, public.card,
  public.card_move, public.node, public.edge, public.closure, public.embedding to authenticated;
grant insert (id, name), update (id, name), delete on public.board to authenticated;
grant delete on public.board_member to authenticated;
grant insert (id, board_id, name, key, stage, wip_limit, position),
  update (id, board_id, name, key, stage, wip_limit, position), delete
  on public."column" to authenticated;
grant insert (id, board_id, title, description, type, priority, estimate, assignee, labels, due_date),
  update (id, board_id, title, description, type, priority, estimate, assignee, labels, due_date),
  delete on public.task to authenticated;
grant insert (id, board_id, kind, name, meta), update (id, board_id, kind, name, meta), delete
  on public.node to authenticated;
grant insert (src, dst, type, board_id), update (src, dst, type, board_id), delete
  on public.edge to authenticated;
grant insert (id, board_id, entity_type, entity_id, v, meta),
  update (id, board_id, entity_type, entity_id, v, meta), delete
  on public.embedding to authenticated;

alter table public.board enable row level security;
alter table public.board_member enable row level security;
alter table public."column" enable row level security;
alter table public.task enable row level security;
alter table public.card enable row level security;
alter table public.card_move enable row level security;
alter table public.node enable row level security;
alter table public.edge enable row level security;
alter table public.closure enable row level security;
alter table public.embedding enable row level security;

-- The creator owns the board: `created_by` covers the moment before the membership row is there.
create policy board_read on public.board for select to authenticated
  using (created_by = (select auth.uid()) or id in (select private.my_boards()));
create policy board_create on public.board for insert to authenticated
  with check (created_by = (select auth.uid()));
create policy board_rename on public.board for update to authenticated
  using (id in (select private.my_boards())) with check (id in (select private.my_boards()));
create policy board_delete on public.board for delete to authenticated
  using (id in (select private.owned_boards()));

create policy board_member_read on public.board_member for select to authenticated
  using (board_id in (select private.my_boards()));
-- An owner removes members, a member leaves; the owner stays as long as the board.
create policy board_member_leave on public.board_member for delete to authenticated
  using (role = 'member' and (user_id = (select auth.uid())
    or board_id in (select private.owned_boards())));

create policy column_member on public."column" for all to authenticated
  using (board_id in (select private.my_boards()))
  with check (board_id in (select private.my_boards()));
create policy task_member on public.task for all to authenticated
  using (board_id in (select private.my_boards()))
  with check (board_id in (select private.my_boards()));
create policy card_read on public.card for select to authenticated
  using (board_id in (select private.my_boards()));
create policy card_move_read on public.card_move for select to authenticated
  using (board_id in (select private.my_boards()));
create policy node_member on public.node for all to authenticated
  using (board_id in (select private.my_boards()))
  with check (board_id in (select private.my_boards()));
create policy edge_member on public.edge for all to authenticated
  using (board_id in (select private.my_boards()))
  with check (board_id in (select private.my_boards()));
create policy closure_read on public.closure for select to authenticated
  using (board_id in (select private.my_boards()));
create policy embedding_member on public.embedding for all to authenticated
  using (board_id in (select private.my_boards()))
  with check (board_id in (select private.my_boards()));

-- Membership rows are written here and by invite_member only.
create function private.add_owner() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.board_member (board_id, user_id, role, email)
  select new.id, u.id, 'owner', coalesce(u.email, '') from auth.users u where u.id = new.created_by;
  return null;
end $$;
create trigger add_owner after insert on public.board
  for each row execute function private.add_owner();

-- A board with the five usual columns; the caller owns it. Runs with the caller's own rights.
create function public.create_board(name text) returns public.board
language plpgsql set search_path = '' as $$
declare
  result public.board;
begin
  insert into public.board (name) values (create_board.name) returning * into result;
  insert into public."column" (board_id, name, key, stage, wip_limit, position) values
    (result.id, 'Backlog', 'backlog', 'todo', null, 0),
    (result.id, 'Ready', 'ready', 'todo', null, 1),
    (result.id, 'In Progress', 'inprogress', 'doing', 5, 2),
    (result.id, 'In Review', 'review', 'doing', 3, 3),
    (result.id, 'Done', 'done', 'done', null, 4);
  return result;
end $$;

-- Make someone a member by e-mail, for operators: select private.join_board(id, 'ada@example.com').
create function private.join_board(board_id uuid, email text) returns public.board_member
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_column
declare
  result public.board_member;
begin
  insert into public.board_member (board_id, user_id, role, email)
  select join_board.board_id, u.id, 'member', u.email
  from auth.users u
  where lower(u.email) = lower(btrim(join_board.email)) and u.deleted_at is null and not u.is_sso_user
  on conflict (board_id, user_id) do update set email = excluded.email
  returning * into result;
  if result.user_id is null then
    raise exception 'No account with this e-mail yet'
      using errcode = 'PT404', hint = 'Ask the person to sign up first, then invite again.';
  end if;
  return result;
end $$;

-- A member invites an account that exists. The price, chosen for a team's own server: a signed-in
-- user can learn whether an address has an account, which signing up would tell as well.
create function public.invite_member(board_id uuid, email text) returns public.board_member
language plpgsql security definer set search_path = '' as $$
begin
  if not exists (select from private.my_boards() mine where mine = invite_member.board_id) then
    perform private.not_found('board');
  end if;
  return private.join_board(invite_member.board_id, invite_member.email);
end $$;

-- The nearest embeddings of a board, by cosine distance.
create function public.match_embedding(
  board_id uuid, query extensions.vector(1536), match_count int default 10,
  of_type text default null
) returns table (id uuid, entity_type text, entity_id uuid, meta jsonb, distance float8)
language sql stable set search_path = '' as $$
  select e.id, e.entity_type, e.entity_id, e.meta,
    e.v operator(extensions.<=>) match_embedding.query as distance
  from public.embedding e
  where e.board_id = match_embedding.board_id
    and (match_embedding.of_type is null or e.entity_type = match_embedding.of_type)
  order by e.v operator(extensions.<=>) match_embedding.query
  limit least(greatest(match_embedding.match_count, 0), 200)
$$;

-- Metrics for members. The views run as their owner, who may read schema metrics; the barrier
-- keeps a user's own conditions from being evaluated on rows that the filter would hide.
-- gavan: allow=GV364(members may not read schema metrics: the view filters by board)
create view public.cfd_daily with (security_barrier) as
  select board_id, day, status, stage, count from metrics.cfd_daily
  where board_id in (select private.my_boards());
-- gavan: allow=GV364(members may not read schema metrics: the view filters by board)
create view public.burndown with (security_barrier) as
  select * from metrics.burndown where board_id in (select private.my_boards());
-- gavan: allow=GV364(members may not read schema metrics: the view filters by board)
create view public.velocity with (security_barrier) as
  select * from metrics.velocity where board_id in (select private.my_boards());
-- gavan: allow=GV364(members may not read schema metrics: the view filters by board)
create view public.cycle_time with (security_barrier) as
  select f.board_id, f.card_id, c.task_id, t.title, f.started_at, f.done_at, f.cycle_hours,
    f.lead_hours
  from metrics.cycle_time f
  join public.card c on c.id = f.card_id
  join public.task t on t.id = c.task_id
  where f.board_id in (select private.my_boards());

revoke all on public.cfd_daily, public.burndown, public.velocity, public.cycle_time
  from anon, authenticated, service_role;
grant select on public.cfd_daily, public.burndown, public.velocity, public.cycle_time
  to authenticated, service_role;

-- Functions: nobody by default, then by name.
revoke all on function public.create_board, public.invite_member, public.create_card,
  public.move_card, public.archive_card, public.match_embedding from public, anon;
grant execute on function public.create_board, public.invite_member, public.create_card,
  public.move_card, public.archive_card, public.match_embedding to authenticated, service_role;
revoke all on all functions in schema private from public;
grant execute on function private.my_boards, private.owned_boards
  to authenticated, service_role;
