insert into public.board (name) values ('Default'); -- <-
insert into public."column" (board_id, name) select id, 'Backlog' from public.board; -- <-
