-- Keeps public.closure equal to the transitive closure of public.edge with shortest depths,
-- per edge type, under any order of inserts, deletes and updates, cycles included.
--
-- Insert of s->t: a shortest path uses a new edge at most once, so every new shortest path is
--   (old path to s) + edge + (old path from t): one combining statement per edge.
-- Delete of s->t: only an ancestor whose shortest way to t led through the edge can be affected;
--   its paths are searched again, level by level, over the edges that are left.
-- Two writers: each takes its boards' rows first, so the second sees what the first has done.

create schema graph;

-- Serialise graph writers of the given boards until the end of the transaction.
create function graph.lock_boards(board_ids uuid[]) returns void
language plpgsql set search_path = '' as $$
begin
  -- Under a snapshot taken before the lock the other writer's paths would stay unseen.
  if current_setting('transaction_isolation') = 'repeatable read' then
    raise exception 'edges cannot be changed under repeatable read'
      using errcode = 'feature_not_supported', hint = 'Use read committed or serializable.';
  end if;
  perform from public.board b where b.id = any (board_ids) order by b.id for no key update;
end $$;

-- Add the paths that one new edge opens.
create function graph.add_paths(edge_src uuid, edge_dst uuid, edge_type text, edge_board uuid)
returns void language sql set search_path = '' as $$
  insert into public.closure as c (ancestor, descendant, depth, type, board_id)
  select head.id, tail.id, head.depth + 1 + tail.depth, edge_type, edge_board
  from (
    select edge_src as id, 0 as depth
    union all
    select p.ancestor, p.depth from public.closure p
    where p.descendant = edge_src and p.type = edge_type and p.ancestor <> edge_src
  ) head
  cross join (
    select edge_dst as id, 0 as depth
    union all
    select p.descendant, p.depth from public.closure p
    where p.ancestor = edge_dst and p.type = edge_type and p.descendant <> edge_dst
  ) tail
  on conflict (ancestor, descendant, type) do update set depth = excluded.depth
  where c.depth > excluded.depth
$$;

-- Search the paths of one type again from each of the given nodes, breadth first.
create function graph.search_paths(starts uuid[], edge_type text) returns void
language plpgsql set search_path = '' as $$
declare
  level int := 1;
begin
  delete from public.closure c where c.ancestor = any (starts) and c.type = edge_type;
  insert into public.closure (ancestor, descendant, depth, type, board_id)
  select e.src, e.dst, 1, e.type, e.board_id
  from public.edge e where e.src = any (starts) and e.type = edge_type;
  while found loop
    insert into public.closure (ancestor, descendant, depth, type, board_id)
    select distinct c.ancestor, e.dst, level + 1, e.type, e.board_id
    from public.closure c
    join public.edge e on e.src = c.descendant and e.type = c.type
    where c.ancestor = any (starts) and c.type = edge_type and c.depth = level
    on conflict (ancestor, descendant, type) do nothing;
    level := level + 1;
  end loop;
end $$;

create function graph.after_insert() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  e record;
begin
  perform graph.lock_boards(array(select distinct board_id from added));
  for e in select * from added loop
    perform graph.add_paths(e.src, e.dst, e.type, e.board_id);
  end loop;
  return null;
end $$;

create function graph.after_delete() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  affected record;
begin
  perform graph.lock_boards(array(select distinct board_id from removed));
  for affected in
    select r.type, array_agg(distinct head.id) as starts
    from removed r
    cross join lateral (
      select r.src as id
      union all
      select to_src.ancestor
      from public.closure to_src
      join public.closure to_dst
        on to_dst.ancestor = to_src.ancestor and to_dst.descendant = r.dst and to_dst.type = r.type
      where to_src.descendant = r.src and to_src.type = r.type
        and to_dst.depth = to_src.depth + 1
    ) head
    group by r.type
  loop
    perform graph.search_paths(affected.starts, affected.type);
  end loop;
  return null;
end $$;

-- An update is a delete of the old edges and an insert of the new ones. The search already sees
-- the new edges; adding their paths afterwards reaches the ancestors that were not searched.
create function graph.after_update() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  affected record;
  e record;
begin
  perform graph.lock_boards(array(
    select board_id from removed union select board_id from added));
  for affected in
    select r.type, array_agg(distinct head.id) as starts
    from (select src, dst, type, board_id from removed
          except select src, dst, type, board_id from added) r
    cross join lateral (
      select r.src as id
      union all
      select p.ancestor from public.closure p where p.descendant = r.src and p.type = r.type
    ) head
    group by r.type
  loop
    perform graph.search_paths(affected.starts, affected.type);
  end loop;
  for e in select src, dst, type, board_id from added
           except select src, dst, type, board_id from removed loop
    perform graph.add_paths(e.src, e.dst, e.type, e.board_id);
  end loop;
  return null;
end $$;

-- An edge may leave its board out: it is the board of its source.
create function graph.fill_board() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.board_id := coalesce(new.board_id, (select n.board_id from public.node n where n.id = new.src));
  return new;
end $$;

create trigger trg_edge_board before insert on public.edge
  for each row execute function graph.fill_board();
create trigger trg_edge_ins after insert on public.edge
  referencing new table as added for each statement execute function graph.after_insert();
create trigger trg_edge_del after delete on public.edge
  referencing old table as removed for each statement execute function graph.after_delete();
create trigger trg_edge_upd after update on public.edge
  referencing old table as removed new table as added
  for each statement execute function graph.after_update();

-- Recompute the whole closure; the answer is how many of its rows were wrong before (0).
create function graph.rebuild_closure() returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  wrong bigint;
  kind record;
begin
  lock table public.edge in share row exclusive mode;
  create temporary table closure_before on commit drop as table public.closure;
  delete from public.closure;
  for kind in select e.type, array_agg(distinct e.src) as starts from public.edge e group by e.type
  loop
    perform graph.search_paths(kind.starts, kind.type);
  end loop;
  select count(*) into wrong from (
    (table pg_temp.closure_before except table public.closure)
    union all
    (table public.closure except table pg_temp.closure_before)
  ) difference;
  drop table pg_temp.closure_before;
  return wrong;
end $$;

revoke all on all functions in schema graph from public;
