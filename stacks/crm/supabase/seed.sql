-- Board "Default" with its five columns. Fixed ids: a second run changes nothing.
insert into public.board (id, name, created_by) values
  ('00000000-0000-4000-8000-000000000001', 'Default', null)
on conflict (id) do nothing;

insert into public."column" (id, board_id, name, key, stage, wip_limit, position)
select ('00000000-0000-4000-8000-00000000010' || c.position)::uuid,
  '00000000-0000-4000-8000-000000000001', c.name, c.key, c.stage, c.wip_limit, c.position
from (values
  ('Backlog', 'backlog', 'todo', null::int, 0),
  ('Ready', 'ready', 'todo', null, 1),
  ('In Progress', 'inprogress', 'doing', 15, 2),
  ('In Review', 'review', 'doing', 8, 3),
  ('Done', 'done', 'done', null, 4)
) c (name, key, stage, wip_limit, position)
on conflict (id) do nothing;
