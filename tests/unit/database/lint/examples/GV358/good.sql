alter table public.card add constraint card_title_key unique using index card_title_key;
create table public.label (id uuid primary key, name text);
alter table public.label add unique (name);
alter table public.label enable row level security;
