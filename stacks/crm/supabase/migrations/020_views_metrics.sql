-- Flow metrics, computed from public.card_move. Days and weeks are UTC.
-- Row-level security does not reach materialised views: they live in a schema of their own that
-- nobody but the owner may use, and 040_access.sql shows them through views by membership.

create schema metrics;

-- Where each card was at the end of each day on which something happened to it.
-- status is null when the card is off the board: archived before it was done.
create view metrics.card_day as
select m.board_id, m.card_id, m.day,
  case when m.kind = 'archived' and m.to_stage <> 'done' then null else m.to_status end as status,
  case when m.kind = 'archived' and m.to_stage <> 'done' then null else m.to_stage end as stage,
  lead(m.day) over (partition by m.card_id order by m.day) as next_day
from (
  select distinct on (c.card_id, c.day) c.*
  from (select cm.*, (cm.moved_at at time zone 'UTC')::date as day from public.card_move cm) c
  order by c.card_id, c.day, c.moved_at desc, c.id desc
) m;

-- Every day of every board, from its first move to today.
create view metrics.board_day as
select b.board_id, d.day::date as day
from (
  select board_id, min((moved_at at time zone 'UTC')::date) as first_day
  from public.card_move group by board_id
) b
cross join lateral generate_series(
  b.first_day::timestamp, (now() at time zone 'UTC')::date::timestamp, interval '1 day') d (day);

-- The columns a board has, and those that it had.
create view metrics.board_status as
select distinct on (s.board_id, s.status) s.board_id, s.status, s.stage
from (
  select board_id, key as status, stage, 0 as preference, 0::bigint as id from public."column"
  union all
  select board_id, to_status, to_stage, 1, id from public.card_move
) s
order by s.board_id, s.status, s.preference, s.id desc;

-- One row per card: when work on it began and, if it is done now, when it was done for good.
create view metrics.card_flow as
select m.board_id, m.card_id,
  min(m.moved_at) as created_at,
  min(m.moved_at) filter (where m.to_stage <> 'todo') as started_at,
  case when bool_or(m.is_last and m.to_stage = 'done')
    then min(m.moved_at) filter (where m.to_stage = 'done' and m.unfinished_after = 0)
  end as done_at
from (
  select cm.*,
    row_number() over later = 1 as is_last,
    count(*) filter (where cm.to_stage <> 'done') over later as unfinished_after
  from public.card_move cm
  window later as (partition by cm.card_id order by cm.moved_at desc, cm.id desc)
) m
group by m.board_id, m.card_id;

-- Cumulative flow: how many cards stand in each column at the end of each day.
create materialized view metrics.cfd_daily as
with change as (
  select board_id, status, day, 1 as n from metrics.card_day where status is not null
  union all
  select board_id, status, next_day, -1 from metrics.card_day
  where status is not null and next_day is not null
), daily as (
  select board_id, status, day, sum(n) as n from change group by board_id, status, day
)
select d.board_id, d.day, s.status, s.stage,
  (sum(coalesce(c.n, 0)) over (partition by d.board_id, s.status order by d.day))::int as count
from metrics.board_day d
join metrics.board_status s on s.board_id = d.board_id
left join daily c on c.board_id = d.board_id and c.status = s.status and c.day = d.day;
create unique index cfd_daily_key on metrics.cfd_daily (board_id, day, status);

-- Burndown: all work on the board, what is done, what remains; points by today's estimates.
create materialized view metrics.burndown as
with change as (
  select s.board_id, coalesce(e.at_day, s.day) as day, e.sign as n, s.stage,
    coalesce(t.estimate, 0) as points
  from metrics.card_day s
  join public.card c on c.id = s.card_id
  join public.task t on t.id = c.task_id
  cross join lateral (values (s.day, 1), (s.next_day, -1)) e (at_day, sign)
  where s.status is not null and e.at_day is not null
), daily as (
  select board_id, day,
    sum(n) as scope_cards,
    sum(n) filter (where stage = 'done') as done_cards,
    sum(n * points) as scope_points,
    sum(n * points) filter (where stage = 'done') as done_points
  from change group by board_id, day
), total as (
  select d.board_id, d.day,
    sum(coalesce(c.scope_cards, 0)) over so_far as scope_cards,
    sum(coalesce(c.done_cards, 0)) over so_far as done_cards,
    sum(coalesce(c.scope_points, 0)) over so_far as scope_points,
    sum(coalesce(c.done_points, 0)) over so_far as done_points
  from metrics.board_day d
  left join daily c on c.board_id = d.board_id and c.day = d.day
  window so_far as (partition by d.board_id order by d.day)
)
select board_id, day,
  scope_cards::int, done_cards::int, (scope_cards - done_cards)::int as remaining_cards,
  scope_points::int, done_points::int, (scope_points - done_points)::int as remaining_points
from total;
create unique index burndown_key on metrics.burndown (board_id, day);

-- Velocity: cards and points done per week (Monday), weeks without any included.
create materialized view metrics.velocity as
select w.board_id, w.week, count(f.card_id)::int as cards,
  coalesce(sum(t.estimate), 0)::int as points
from (
  select distinct board_id, date_trunc('week', day::timestamp)::date as week from metrics.board_day
) w
left join metrics.card_flow f on f.board_id = w.board_id
  and date_trunc('week', f.done_at at time zone 'UTC')::date = w.week
left join public.card c on c.id = f.card_id
left join public.task t on t.id = c.task_id
group by w.board_id, w.week;
create unique index velocity_key on metrics.velocity (board_id, week);

-- Cycle time (work began -> done) and lead time (created -> done) of every card that is done.
create materialized view metrics.cycle_time as
select board_id, card_id, started_at, done_at,
  (extract(epoch from done_at - started_at) / 3600)::float8 as cycle_hours,
  (extract(epoch from done_at - created_at) / 3600)::float8 as lead_hours
from metrics.card_flow
where done_at is not null;
create unique index cycle_time_key on metrics.cycle_time (card_id);
create index cycle_time_board on metrics.cycle_time (board_id, done_at);

-- What the last refresh has seen: a refresh with nothing new costs one small query.
create table metrics.refreshed (
  singleton boolean primary key default true check (singleton),
  seen text not null,
  refreshed_at timestamptz not null
);

-- Bring the four views up to date; true when there was something to do. Readers never wait.
create function metrics.refresh() returns boolean
language plpgsql security definer set search_path = '' as $$
declare
  now_seen text;
begin
  if not pg_try_advisory_xact_lock(hashtextextended('metrics.refresh', 0)) then
    return false;
  end if;
  select concat_ws('/',
    (select concat_ws(',', count(*), max(id)) from public.card_move),
    (select concat_ws(',', count(*), max(updated_at)) from public.task),
    (select concat_ws(',', count(*), max(updated_at)) from public."column"),
    (now() at time zone 'UTC')::date) into now_seen;
  if exists (select from metrics.refreshed r where r.seen = now_seen) then
    return false;
  end if;
  refresh materialized view concurrently metrics.cfd_daily;
  refresh materialized view concurrently metrics.burndown;
  refresh materialized view concurrently metrics.velocity;
  refresh materialized view concurrently metrics.cycle_time;
  insert into metrics.refreshed (seen, refreshed_at) values (now_seen, now())
  on conflict (singleton) do update set seen = excluded.seen, refreshed_at = excluded.refreshed_at;
  return true;
end $$;

revoke all on all functions in schema metrics from public;
