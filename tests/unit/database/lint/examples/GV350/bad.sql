drop table public.old_note; -- <-
alter table public.card drop column colour; -- <-
truncate public.import_row; -- <-
drop type public.mood; -- <-
drop schema legacy cascade; -- <-
