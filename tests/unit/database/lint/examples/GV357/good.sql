update public.card set colour = 'red' where colour is null and id in (select id from public.card limit 5000);
create temporary table scratch (id int);
delete from scratch;
