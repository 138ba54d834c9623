create type public.mood as enum ('good');
alter type public.mood add value 'bad';
alter type public.stage add value 'review';
update public.card set stage = 'done' where stage = 'doing' and mood = 'bad';
