create table public.paper (id uuid primary key); -- <-
create table public.copy as select 1 as id; -- <-
