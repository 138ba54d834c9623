drop table public.label; -- <-
drop materialized view metrics.velocity; -- <-
alter table public.card drop column due_date; -- <-
