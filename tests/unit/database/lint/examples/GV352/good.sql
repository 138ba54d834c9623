alter table public.card add column due_date date;
alter table public.card add column labels text[] not null default '{}';
alter table public.card add column made_at timestamptz not null default now();
alter table public.card add column token uuid;
alter table public.card alter column token set default gen_random_uuid();
