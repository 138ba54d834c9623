-- The publication was there before, empty.
alter publication supabase_realtime drop table
  public.board, public.board_member, public."column", public.task, public.card;
