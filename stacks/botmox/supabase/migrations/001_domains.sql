-- The five domains of the API and the artifacts. Every row has an owner and is open to nobody else.

create table public.workspace (
  id uuid primary key default gen_random_uuid(),
  owner uuid not null default auth.uid() references auth.users on delete cascade,
  name text not null check (length(name) between 1 and 120),
  created_at timestamptz not null default now()
);

create table public.bot (
  id uuid primary key default gen_random_uuid(),
  owner uuid not null default auth.uid() references auth.users on delete cascade,
  workspace_id uuid not null references public.workspace on delete cascade,
  name text not null check (length(name) between 1 and 120),
  status text not null default 'idle' check (status in ('idle', 'running', 'stopped', 'failed')),
  created_at timestamptz not null default now()
);

create table public.resource (
  id uuid primary key default gen_random_uuid(),
  owner uuid not null default auth.uid() references auth.users on delete cascade,
  bot_id uuid references public.bot on delete set null,
  kind text not null check (kind in ('server', 'proxy', 'account', 'licence')),
  name text not null check (length(name) between 1 and 120),
  created_at timestamptz not null default now()
);

create table public.finance_entry (
  id uuid primary key default gen_random_uuid(),
  owner uuid not null default auth.uid() references auth.users on delete cascade,
  bot_id uuid references public.bot on delete set null,
  amount numeric(14, 2) not null,
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  note text not null default '' check (length(note) <= 500),
  booked_on date not null default current_date,
  created_at timestamptz not null default now()
);

create table public.setting (
  id uuid primary key default gen_random_uuid(),
  owner uuid not null default auth.uid() references auth.users on delete cascade,
  key text not null check (key ~ '^[a-z][a-z0-9_.-]{0,79}$'),
  value jsonb not null,
  created_at timestamptz not null default now(),
  unique (owner, key)
);

-- The key follows from the row: nobody can name another's object.
create table public.artifact (
  id uuid primary key default gen_random_uuid(),
  owner uuid not null default auth.uid() references auth.users on delete cascade,
  kind text not null check (kind in ('artifacts', 'installers')),
  name text not null check (length(name) between 1 and 200),
  content_type text not null default 'application/octet-stream',
  size bigint not null check (size >= 0),
  ready boolean not null default false,
  object_key text not null generated always as
    (kind || '/' || owner::text || '/' || id::text) stored,
  created_at timestamptz not null default now()
);

create index bot_owner on public.bot (owner, created_at);
create index bot_workspace on public.bot (workspace_id);
create index workspace_owner on public.workspace (owner, created_at);
create index resource_owner on public.resource (owner, created_at);
create index resource_bot on public.resource (bot_id);
create index finance_entry_owner on public.finance_entry (owner, created_at);
create index finance_entry_bot on public.finance_entry (bot_id);
create index artifact_owner on public.artifact (owner, created_at);
