create table `board` ( -- <-
  id bigint auto_increment primary key, -- <-
  name text,
  index board_name (name) -- <-
) engine=InnoDB default charset=utf8mb4; -- <-
alter table public.board enable row level security;
