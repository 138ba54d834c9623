alter table public.card add column due_date date not null; -- <-
alter table public.card
  add column token uuid not null default gen_random_uuid(), -- <-
  add column number bigserial, -- <-
  add column upper_title text generated always as (upper(title)) stored; -- <-
