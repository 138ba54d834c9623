-- Tables of the CRM: boards of cards, a knowledge graph, embeddings. Rules follow in later files.
-- Every row carries the id of its board: membership of the board is the one rule of access.

create extension if not exists vector with schema extensions;
create extension if not exists pgcrypto with schema extensions;

-- Helpers of policies and triggers. Never exposed by the data API.
create schema private;

create table public.board (
  id uuid primary key default gen_random_uuid(),
  name text not null check (length(btrim(name)) between 1 and 120),
  created_by uuid default auth.uid() references auth.users (id) on delete set null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index board_created_by on public.board (created_by);

create table public.board_member (
  board_id uuid not null references public.board (id) on delete cascade,
  user_id uuid not null references auth.users (id) on delete cascade,
  role text not null default 'member' check (role in ('owner', 'member')),
  email text not null,
  created_at timestamptz not null default now(),
  primary key (board_id, user_id)
);
create index board_member_user_id on public.board_member (user_id);
comment on column public.board_member.email is 'Copied from the account when the member joins.';

-- "column" is a reserved word: always quoted in SQL, plain `column` in the data API.
create table public."column" (
  id uuid primary key default gen_random_uuid(),
  board_id uuid not null references public.board (id) on delete cascade,
  name text not null check (length(btrim(name)) between 1 and 80),
  key text not null check (key ~ '^[a-z][a-z0-9_]{0,39}$'),
  stage text not null default 'doing' check (stage in ('todo', 'doing', 'done')),
  wip_limit int check (wip_limit > 0),
  position int not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (board_id, key),
  unique (id, board_id)
);
comment on column public."column".stage is
  'Where time is counted: work starts when a card leaves todo and ends in done.';

create table public.task (
  id uuid primary key default gen_random_uuid(),
  board_id uuid not null references public.board (id) on delete cascade,
  title text not null check (length(btrim(title)) between 1 and 200),
  description text check (length(description) <= 20000),
  type text not null default 'task' check (type in ('task', 'bug', 'story', 'chore')),
  priority int not null default 3 check (priority between 1 and 4),
  estimate int check (estimate between 0 and 100),
  status text,
  assignee uuid,
  labels text[] not null default '{}' check (cardinality(labels) <= 20 and array_position(labels, null) is null),
  due_date date,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (id, board_id),
  -- Only a member can be in charge; who leaves the board leaves his tasks open.
  foreign key (board_id, assignee) references public.board_member (board_id, user_id)
    on delete set null (assignee)
);
create index task_board_assignee on public.task (board_id, assignee);
create index task_labels on public.task using gin (labels);
comment on column public.task.status is 'Key of the column of its card; kept by a trigger.';

-- A task's place on the board. Positions are sparse: a move rewrites one row, not a column.
create table public.card (
  id uuid primary key default gen_random_uuid(),
  board_id uuid not null,
  task_id uuid not null,
  column_id uuid not null,
  position int not null default 0,
  archived boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (task_id, board_id),
  -- Deferred, so that deleting a board may meet its columns before its cards.
  foreign key (column_id, board_id) references public."column" (id, board_id)
    deferrable initially deferred,
  foreign key (task_id, board_id) references public.task (id, board_id) on delete cascade,
  constraint card_order exclude using btree (column_id with =, position with =)
    where (not archived) deferrable initially deferred
);
create index card_column_id on public.card (column_id, board_id);
create index card_board_id on public.card (board_id) where not archived;

-- What happened to a card, in order. Rows are written by a trigger only.
create table public.card_move (
  id bigint generated always as identity primary key,
  -- Deferred: while a board is being deleted its columns leave the history before its cards do.
  card_id uuid not null references public.card (id) on delete cascade
    deferrable initially deferred,
  board_id uuid not null,
  kind text not null check (kind in ('created', 'moved', 'archived', 'restored')),
  from_column_id uuid references public."column" (id) on delete set null,
  to_column_id uuid references public."column" (id) on delete set null,
  from_status text,
  to_status text not null,
  to_stage text not null,
  moved_by uuid references auth.users (id) on delete set null,
  moved_at timestamptz not null default clock_timestamp()
);
create index card_move_card_id on public.card_move (card_id, moved_at, id);
create index card_move_board_id on public.card_move (board_id, moved_at);
create index card_move_from_column_id on public.card_move (from_column_id);
create index card_move_to_column_id on public.card_move (to_column_id);
create index card_move_moved_by on public.card_move (moved_by);

-- The knowledge graph. Both ends of an edge belong to one board.
create table public.node (
  id uuid primary key default gen_random_uuid(),
  board_id uuid not null references public.board (id) on delete cascade,
  kind text not null,
  name text not null,
  meta jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (id, board_id)
);
create index node_board_id on public.node (board_id, kind);

create table public.edge (
  src uuid not null,
  dst uuid not null,
  type text not null,
  board_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (src, dst, type),
  constraint edge_src_fkey foreign key (src, board_id)
    references public.node (id, board_id) on delete cascade,
  constraint edge_dst_fkey foreign key (dst, board_id)
    references public.node (id, board_id) on delete cascade
);
create index edge_dst on public.edge (dst);
create index edge_type on public.edge (type);
create index edge_board_id on public.edge (board_id, type);

-- Every (ancestor, descendant) joined by a path of edges of one type, with the shortest length.
create table public.closure (
  ancestor uuid not null,
  descendant uuid not null,
  depth int not null check (depth > 0),
  type text not null,
  board_id uuid not null,
  primary key (ancestor, descendant, type),
  -- Checked at the end: while a node is being deleted, its edges and then its paths go.
  constraint closure_ancestor_fkey foreign key (ancestor) references public.node (id)
    deferrable initially deferred,
  constraint closure_descendant_fkey foreign key (descendant) references public.node (id)
    deferrable initially deferred
);
create index closure_descendant on public.closure (descendant, type);
create index closure_board_id on public.closure (board_id);

create table public.embedding (
  id uuid primary key default gen_random_uuid(),
  board_id uuid not null references public.board (id) on delete cascade,
  entity_type text not null,
  entity_id uuid not null,
  v extensions.vector(1536) not null,
  meta jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- Per board: otherwise a stranger could take the place of another board's entity.
  unique (board_id, entity_type, entity_id)
);
create index embedding_v_idx on public.embedding using hnsw (v extensions.vector_cosine_ops);

create function private.touch() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.updated_at := now();
  return new;
end $$;

create trigger touch before update on public.board
  for each row when (old.* is distinct from new.*) execute function private.touch();
create trigger touch before update on public."column"
  for each row when (old.* is distinct from new.*) execute function private.touch();
create trigger touch before update on public.task
  for each row when (old.* is distinct from new.*) execute function private.touch();
create trigger touch before update on public.card
  for each row when (old.* is distinct from new.*) execute function private.touch();
create trigger touch before update on public.node
  for each row when (old.* is distinct from new.*) execute function private.touch();
create trigger touch before update on public.embedding
  for each row when (old.* is distinct from new.*) execute function private.touch();
