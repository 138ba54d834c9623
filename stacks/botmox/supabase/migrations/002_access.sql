-- Who may what: the owner of a row, and of what it points to; `anon` nothing. Columns that the
-- database keeps are not granted.

revoke all on public.workspace, public.bot, public.resource, public.finance_entry, public.setting,
  public.artifact from anon, authenticated;

grant select, delete on public.workspace, public.bot, public.resource, public.finance_entry,
  public.setting, public.artifact to authenticated;
grant insert (name), update (name) on public.workspace to authenticated;
grant insert (workspace_id, name, status), update (workspace_id, name, status)
  on public.bot to authenticated;
grant insert (bot_id, kind, name), update (bot_id, kind, name) on public.resource to authenticated;
grant insert (bot_id, amount, currency, note, booked_on),
  update (bot_id, amount, currency, note, booked_on) on public.finance_entry to authenticated;
grant insert (key, value), update (key, value) on public.setting to authenticated;
grant insert (kind, name, content_type, size), update (ready) on public.artifact to authenticated;

alter table public.workspace enable row level security;
alter table public.bot enable row level security;
alter table public.resource enable row level security;
alter table public.finance_entry enable row level security;
alter table public.setting enable row level security;
alter table public.artifact enable row level security;

create policy workspace_owner on public.workspace for all to authenticated
  using (owner = (select auth.uid())) with check (owner = (select auth.uid()));
-- What a row points to is looked up under the caller's own policies.
create policy bot_owner on public.bot for all to authenticated
  using (owner = (select auth.uid()))
  with check (owner = (select auth.uid())
    and exists (select from public.workspace as w where w.id = workspace_id));
create policy resource_owner on public.resource for all to authenticated
  using (owner = (select auth.uid()))
  with check (owner = (select auth.uid())
    and (bot_id is null or exists (select from public.bot as b where b.id = bot_id)));
create policy finance_entry_owner on public.finance_entry for all to authenticated
  using (owner = (select auth.uid()))
  with check (owner = (select auth.uid())
    and (bot_id is null or exists (select from public.bot as b where b.id = bot_id)));
create policy setting_owner on public.setting for all to authenticated
  using (owner = (select auth.uid())) with check (owner = (select auth.uid()));
create policy artifact_owner on public.artifact for all to authenticated
  using (owner = (select auth.uid())) with check (owner = (select auth.uid()));
