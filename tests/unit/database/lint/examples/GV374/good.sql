insert into public.board (id, name) values ('00000000-0000-4000-8000-000000000001', 'Default')
on conflict (id) do nothing;
insert into public."column" (board_id, name)
select b.id, 'Backlog' from public.board b
where not exists (select from public."column" c where c.board_id = b.id);
