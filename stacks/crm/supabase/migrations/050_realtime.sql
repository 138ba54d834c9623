-- What the realtime service sends to subscribers, each row only to those who may read it.
do $$
begin
  if not exists (select from pg_publication where pubname = 'supabase_realtime') then
    create publication supabase_realtime;
  end if;
end $$;

alter publication supabase_realtime add table
  public.board, public.board_member, public."column", public.task, public.card;
