alter table public.card alter column position type bigint; -- <-
alter table public.card -- <-
  alter column colour set not null;
