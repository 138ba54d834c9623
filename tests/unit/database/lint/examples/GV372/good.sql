-- Cards by title.
-- gavan: allow=GV353(the table has ten rows)
create index card_title on public.card (title);
create index card_name on public.card (name); -- gavan: allow=GV353(it has ten rows) allow=GV365(one more)
