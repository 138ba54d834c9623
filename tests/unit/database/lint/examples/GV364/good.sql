create policy note_read on public.note for select to anon using (true);
create policy note_service on public.note for all to service_role using (true);
create policy note_write on public.note for insert to authenticated
  with check (user_id = (select auth.uid()));
create view public.note_list with (security_invoker) as select * from public.note;
create view metrics.note_list as select * from public.note;
create function public.purge() returns void language sql security definer
  set search_path = '' as 'select 1';
