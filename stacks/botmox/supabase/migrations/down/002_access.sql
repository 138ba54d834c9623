-- Afterwards every table is open to the API again, as the default privileges leave it.
drop policy if exists artifact_owner on public.artifact;
drop policy if exists setting_owner on public.setting;
drop policy if exists finance_entry_owner on public.finance_entry;
drop policy if exists resource_owner on public.resource;
drop policy if exists bot_owner on public.bot;
drop policy if exists workspace_owner on public.workspace;

alter table public.artifact disable row level security;
alter table public.setting disable row level security;
alter table public.finance_entry disable row level security;
alter table public.resource disable row level security;
alter table public.bot disable row level security;
alter table public.workspace disable row level security;

grant all on public.workspace, public.bot, public.resource, public.finance_entry, public.setting,
  public.artifact to anon, authenticated;
