-- gavan: phase=contract
create table public.scratch (id uuid primary key);
drop table public.scratch;
drop table public.old_note;
alter table public.card drop column colour;
