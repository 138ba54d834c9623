alter table public.card add constraint card_title_key unique (title); -- <-
alter table public.card add primary key (id); -- <-
