-- Data to develop with: two people, 2,000 cards over the last 180 days with every move they made,
-- a small knowledge graph. Deterministic (no random()), relative to today, and run twice it
-- changes nothing. Only on the dev profile.

-- Ada and Grace, password `gavan-demo` (bcrypt).
insert into auth.users (
  instance_id, id, aud, role, email, encrypted_password, email_confirmed_at,
  confirmation_token, recovery_token, email_change_token_new, email_change,
  raw_app_meta_data, raw_user_meta_data, created_at, updated_at)
select '00000000-0000-0000-0000-000000000000', p.id, 'authenticated', 'authenticated', p.email,
  '$2a$10$l0PAVNbGRsF5ISGX7ahG.elRbdenUq5qv/pNxE9rq5qIrw1hxX7dG', now(), '', '', '', '',
  '{"provider": "email", "providers": ["email"]}',
  jsonb_build_object('sub', p.id, 'email', p.email, 'email_verified', true, 'phone_verified', false),
  now(), now()
from (values
  ('00000000-0000-4000-8000-0000000000a1'::uuid, 'ada@example.com'),
  ('00000000-0000-4000-8000-0000000000a2', 'grace@example.com')
) p (id, email)
on conflict do nothing;

insert into auth.identities (
  id, provider_id, user_id, provider, identity_data, last_sign_in_at, created_at, updated_at)
select u.id, u.id::text, u.id, 'email', u.raw_user_meta_data, now(), now(), now()
from auth.users u
where u.id in ('00000000-0000-4000-8000-0000000000a1', '00000000-0000-4000-8000-0000000000a2')
on conflict do nothing;

insert into public.board_member (board_id, user_id, role, email)
select '00000000-0000-4000-8000-000000000001', u.id, 'member', u.email
from auth.users u
where u.id in ('00000000-0000-4000-8000-0000000000a1', '00000000-0000-4000-8000-0000000000a2')
on conflict do nothing;

-- A number in [0, 1) that is always the same for the same card and purpose.
create or replace function pg_temp.chance(card int, purpose text) returns float8
language sql immutable as $$
  select ('x' || substr(md5(purpose || card), 1, 8))::bit(32)::bigint::float8 / 4294967296
$$;
create or replace function pg_temp.days(n float8) returns interval
language sql immutable as $$ select n * interval '1 day' $$;

-- Two thousand cards flow through the five columns like customers through a shop: twelve places
-- in progress, eight in review; a card waits for a free place, so the limits of the board hold.
do $mock$
declare
  board constant uuid := '00000000-0000-4000-8000-000000000001';
  cards constant int := 2000;
  first_day constant timestamptz := date_trunc('day', now()) - interval '179 days';
  working timestamptz[] := array_fill(first_day, array[12]);
  reviewing timestamptz[] := array_fill(first_day, array[8]);
  card record;
  slot int;
  review_slot int;
  begun timestamptz;
  reviewed timestamptz;
  back timestamptz;
  done timestamptz;
  work interval;
begin
  if exists (select from public.task where id = md5('mock task 1')::uuid) then
    return;
  end if;

  create temporary table plan on commit drop as
  select n, created, estimate,
    n % 25 = 7 as abandoned,
    created + pg_temp.days(-5 * ln(1 - pg_temp.chance(n, 'backlog'))) as ready
  from (
    select n,
      least(now(), first_day + (now() - first_day) * ((n - 1)::float8 / cards)
        + pg_temp.days(pg_temp.chance(n, 'hour') * 0.4)) as created,
      (array[1, 1, 2, 2, 3, 3, 5, 5, 8])[1 + floor(pg_temp.chance(n, 'estimate') * 9)] as estimate
    from generate_series(1, cards) n
  ) p;

  create temporary table happening (n int, kind text, status text, at timestamptz) on commit drop;
  insert into happening select n, 'created', 'backlog', created from plan;
  insert into happening
  select n, 'archived', 'backlog', created + pg_temp.days(10 + 20 * pg_temp.chance(n, 'abandon'))
  from plan where abandoned;

  for card in select * from plan where not abandoned and ready <= now() order by ready, n loop
    slot := (select i from unnest(working) with ordinality w (free, i) order by free, i limit 1);
    begun := greatest(card.ready + pg_temp.days(pg_temp.chance(card.n, 'pick')), working[slot]);
    work := pg_temp.days((0.2 + 0.18 * card.estimate) * (0.5 + pg_temp.chance(card.n, 'work')));
    review_slot := (
      select i from unnest(reviewing) with ordinality r (free, i) order by free, i limit 1);
    reviewed := greatest(begun + work, reviewing[review_slot]);
    done := reviewed + pg_temp.days(-0.35 * ln(1 - pg_temp.chance(card.n, 'review')));
    insert into happening values
      (card.n, 'moved', 'ready', card.ready),
      (card.n, 'moved', 'inprogress', begun),
      (card.n, 'moved', 'review', reviewed);
    if pg_temp.chance(card.n, 'rework') < 0.12 then
      back := done;
      reviewed := back + work / 2;
      done := reviewed + interval '4 hours';
      insert into happening values
        (card.n, 'moved', 'inprogress', back), (card.n, 'moved', 'review', reviewed);
    end if;
    insert into happening values
      (card.n, 'moved', 'done', done), (card.n, 'archived', 'done', done + interval '14 days');
    working[slot] := reviewed;
    reviewing[review_slot] := done;
  end loop;
  delete from happening where at > now();

  insert into public.task (
    id, board_id, title, description, type, priority, estimate, status, assignee, labels,
    due_date, created_at, updated_at)
  select md5('mock task ' || p.n)::uuid, board,
    (array['Call', 'Write to', 'Prepare the offer for', 'Check the contract with', 'Invoice',
      'Plan a visit to', 'Import contacts of', 'Fix the form for', 'Translate the page for',
      'Answer the complaint of', 'Renew the licence of', 'Show the demo to']
    )[1 + floor(pg_temp.chance(p.n, 'verb') * 12)] || ' ' ||
    (array['Northwind', 'the harbour office', 'Baltika', 'Ozero', 'Lighthouse Ltd', 'Kedr',
      'the city library', 'Aurora', 'Pelican Cargo', 'Volna', 'the school board', 'Sever',
      'Anchor & Sons', 'Mayak', 'Tern Logistics', 'the pilots', 'Granit', 'Albatross']
    )[1 + floor(pg_temp.chance(p.n, 'whom') * 18)] || ' #' || p.n,
    case when p.n % 3 = 0 then 'What was agreed, who answers for it, and by when.' end,
    (array['task', 'task', 'task', 'story', 'bug', 'chore'])[1 + floor(pg_temp.chance(p.n, 'type') * 6)],
    (array[1, 2, 2, 3, 3, 3, 3, 4])[1 + floor(pg_temp.chance(p.n, 'priority') * 8)],
    p.estimate, last.status,
    case when last.status <> 'backlog' or pg_temp.chance(p.n, 'assigned') < 0.3 then
      case when pg_temp.chance(p.n, 'who') < 0.5 then '00000000-0000-4000-8000-0000000000a1'
           else '00000000-0000-4000-8000-0000000000a2' end::uuid end,
    array(
      select label from unnest(array['sales', 'support', 'website', 'billing', 'partners', 'legal'])
        with ordinality l (label, i)
      where pg_temp.chance(p.n, 'label' || i) < 0.22),
    case when pg_temp.chance(p.n, 'due') < 0.35 then
      (p.created + pg_temp.days(7 + 30 * pg_temp.chance(p.n, 'due in')))::date end,
    p.created, last.at
  from plan p
  cross join lateral (
    select h.status, h.at from happening h where h.n = p.n order by h.at desc limit 1) last;

  insert into public.card (
    id, board_id, task_id, column_id, position, archived, created_at, updated_at)
  select md5('mock card ' || last.n)::uuid, board, md5('mock task ' || last.n)::uuid, c.id,
    1024 * row_number() over (partition by last.status order by last.at, last.n),
    last.kind = 'archived', p.created, last.at
  from (select distinct on (n) * from happening order by n, at desc) last
  join plan p on p.n = last.n
  join public."column" c on c.board_id = board and c.key = last.status;

  -- The trigger has written that all cards were made today: put down what really happened.
  delete from public.card_move where card_id in (
    select md5('mock card ' || n)::uuid from plan);
  insert into public.card_move (
    card_id, board_id, kind, from_column_id, to_column_id, from_status, to_status, to_stage,
    moved_by, moved_at)
  select md5('mock card ' || h.n)::uuid, board, h.kind, source.id, target.id, h.before, h.status,
    target.stage,
    case when pg_temp.chance(h.n, 'mover' || h.status) < 0.5
      then '00000000-0000-4000-8000-0000000000a1' else '00000000-0000-4000-8000-0000000000a2'
    end::uuid, h.at
  from (select *, lag(status) over (partition by n order by at) as before from happening) h
  join public."column" target on target.board_id = board and target.key = h.status
  left join public."column" source on source.board_id = board and source.key = h.before
  order by h.at, h.n;
end $mock$;

-- Twelve companies in a holding, forty people who work there, twenty deals.
insert into public.node (id, board_id, kind, name)
select md5('mock ' || k.kind || n)::uuid, '00000000-0000-4000-8000-000000000001', k.kind,
  initcap(k.kind) || ' ' || n
from (values ('company', 12), ('person', 40), ('deal', 20)) k (kind, size)
cross join lateral generate_series(1, k.size) n
on conflict do nothing;

insert into public.edge (src, dst, type)
select md5('mock company' || n / 2)::uuid, md5('mock company' || n)::uuid, 'owns'
from generate_series(2, 12) n
union all
select md5('mock person' || n)::uuid, md5('mock company' || 1 + n % 12)::uuid, 'works_at'
from generate_series(1, 40) n
union all
select md5('mock person' || 1 + n % 39)::uuid, md5('mock person' || n)::uuid, 'knows'
from generate_series(1, 40) n where n <> 1 + n % 39
union all
select md5('mock deal' || n)::uuid, md5('mock company' || 1 + n % 12)::uuid, 'with'
from generate_series(1, 20) n
on conflict do nothing;

analyze public.board, public.board_member, public."column", public.task, public.card,
  public.card_move, public.node, public.edge, public.closure;
select metrics.refresh();
