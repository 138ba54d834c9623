-- Cards move by these functions only: atomically, in a clean order, within the WIP limits.
-- Every writer of a board's order takes the board's row first, so moves of one board are one
-- after the other and can never wait for each other in a circle.

-- Boards of the caller; the service key may work on all of them. A definer function, so that
-- policies on board_member do not recurse.
create function private.my_boards() returns setof uuid
language sql stable security definer set search_path = '' as $$
  select m.board_id from public.board_member m where m.user_id = auth.uid()
  union all
  select b.id from public.board b where auth.role() = 'service_role'
$$;

create function private.owned_boards() returns setof uuid
language sql stable security definer set search_path = '' as $$
  select m.board_id from public.board_member m where m.user_id = auth.uid() and m.role = 'owner'
$$;

-- Refuse with the HTTP status that the code names (PT404 -> 404).
create function private.not_found(thing text) returns void
language plpgsql set search_path = '' as $$
begin
  raise exception '% not found', thing
    using errcode = 'PT404', hint = 'It does not exist, or you are not a member of its board.';
end $$;

-- Record what happened to a card and keep task.status equal to the key of its column.
create function private.card_history() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  target public."column";
  source public."column";
  what text;
begin
  select * into target from public."column" c where c.id = new.column_id;
  if tg_op = 'UPDATE' then
    select * into source from public."column" c where c.id = old.column_id;
  end if;
  what := case
    when tg_op = 'INSERT' then 'created'
    when new.archived and not old.archived then 'archived'
    when old.archived and not new.archived then 'restored'
    else 'moved' end;
  insert into public.card_move
    (card_id, board_id, kind, from_column_id, to_column_id, from_status, to_status, to_stage, moved_by)
  values
    (new.id, new.board_id, what, source.id, target.id, source.key, target.key, target.stage, auth.uid());
  update public.task t set status = target.key
  where t.id = new.task_id and t.status is distinct from target.key;
  return null;
end $$;

create trigger card_history_insert after insert on public.card
  for each row execute function private.card_history();
create trigger card_history_update after update of column_id, archived on public.card
  for each row when (old.column_id <> new.column_id or old.archived <> new.archived)
  execute function private.card_history();

-- Take the board of a column for writing; null when the caller is not a member.
create function private.lock_board_of(column_id uuid) returns uuid
language sql volatile set search_path = '' as $$
  select b.id from public.board b
  where b.id = (select c.board_id from public."column" c where c.id = lock_board_of.column_id)
    and b.id in (select private.my_boards())
  for no key update
$$;

-- Refuse one card more in a column that is full; the card itself does not count.
create function private.check_wip(target_id uuid, moving_card_id uuid) returns void
language plpgsql set search_path = '' as $$
declare
  target public."column";
begin
  select * into target from public."column" c where c.id = target_id;
  if target.wip_limit <= (select count(*) from public.card k
      where k.column_id = target_id and not k.archived and k.id is distinct from moving_card_id) then
    raise exception 'WIP limit reached: column "%" holds % cards', target.name, target.wip_limit
      using errcode = 'PT409',
        detail = jsonb_build_object(
          'column', target.name, 'key', target.key, 'limit', target.wip_limit)::text,
        hint = 'Move a card out of the column first, or raise its limit.';
  end if;
end $$;

-- The sparse position for the given index among the live cards of a column without the moving
-- card. Null index = end. When there is no room between two neighbours, the column is numbered
-- anew in steps of 1024. The board must be locked.
create function private.place(target_id uuid, moving_card_id uuid, index int) returns int
language plpgsql set search_path = '' as $$
declare
  step constant int := 1024;
  farthest constant int := 1000000000;
  before int;
  after int;
  place int;
  attempt int;
begin
  for attempt in 1..2 loop
    select max(k.position) filter (where index is null or k.n <= index),
           min(k.position) filter (where k.n > index)
    into before, after
    from (
      select position, row_number() over (order by position, id) as n from public.card
      where column_id = target_id and not archived and id is distinct from moving_card_id
    ) k;
    place := case
      when before is null and after is null then 0
      when before is null then after - step
      when after is null then before + step
      else before + (after - before) / 2 end;
    exit when place is distinct from before and abs(place) < farthest;
    update public.card k set position = ordered.n * step
    from (
      select id, row_number() over (order by position, id)::int as n from public.card
      where column_id = target_id and not archived and id is distinct from moving_card_id
    ) ordered
    where k.id = ordered.id and k.position <> ordered.n * step;
  end loop;
  return place;
end $$;

create function public.create_card(
  column_id uuid, title text, description text default null, type text default 'task',
  priority int default 3, estimate int default null, assignee uuid default null,
  labels text[] default '{}', due_date date default null, "position" int default null
) returns public.card
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_column
declare
  board uuid := private.lock_board_of(create_card.column_id);
  new_task uuid;
  result public.card;
begin
  if board is null then
    perform private.not_found('column');
  end if;
  perform private.check_wip(create_card.column_id, null);
  insert into public.task
    (board_id, title, description, type, priority, estimate, assignee, labels, due_date)
  values (board, create_card.title, create_card.description, create_card.type,
    create_card.priority, create_card.estimate, create_card.assignee, create_card.labels,
    create_card.due_date)
  returning id into new_task;
  insert into public.card (board_id, task_id, column_id, position)
  values (board, new_task, create_card.column_id,
    private.place(create_card.column_id, null, create_card."position"))
  returning * into result;
  return result;
end $$;

create function public.move_card(card_id uuid, column_id uuid, "position" int default null)
returns public.card
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_column
declare
  board uuid := private.lock_board_of(move_card.column_id);
  moving public.card;
  place int;
begin
  if board is null then
    perform private.not_found('column');
  end if;
  select * into moving from public.card k
  where k.id = move_card.card_id and k.board_id = board and not k.archived;
  if not found then
    perform private.not_found('card');
  end if;
  if moving.column_id <> move_card.column_id then
    perform private.check_wip(move_card.column_id, moving.id);
  elsif private.index_of(moving) = least(move_card."position", private.last_index(moving)) then
    -- Already there.
    return moving;
  end if;
  place := private.place(move_card.column_id, moving.id, move_card."position");
  update public.card k set column_id = move_card.column_id, position = place
  where k.id = moving.id
  returning * into moving;
  return moving;
end $$;

-- Where a card stands among the live cards of its column, from 0; and where the last one stands.
create function private.index_of(card public.card) returns int
language sql stable set search_path = '' as $$
  select count(*)::int from public.card k
  where k.column_id = card.column_id and not k.archived and k.position < card.position
$$;

create function private.last_index(card public.card) returns int
language sql stable set search_path = '' as $$
  select count(*)::int - 1 from public.card k
  where k.column_id = card.column_id and not k.archived
$$;

create function public.archive_card(card_id uuid, archived boolean default true)
returns public.card
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_column
declare
  board uuid := private.lock_board_of(
    (select k.column_id from public.card k where k.id = archive_card.card_id));
  result public.card;
begin
  if board is null then
    perform private.not_found('card');
  end if;
  select * into result from public.card k where k.id = archive_card.card_id;
  if result.archived = archive_card.archived then
    return result;
  end if;
  if not archive_card.archived then
    perform private.check_wip(result.column_id, result.id);
    result.position := private.place(result.column_id, result.id, null);
  end if;
  update public.card k set archived = archive_card.archived, position = result.position
  where k.id = result.id
  returning * into result;
  return result;
end $$;
