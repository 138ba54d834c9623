create table public.profile (
  id uuid primary key references auth.users (id) on delete cascade,
  nickname text
);
alter table public.profile enable row level security;
create function private.new_user() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger new_user after insert on auth.users for each row execute function private.new_user();
create policy own_files on storage.objects for select to authenticated using (owner_id = auth.uid()::text);
