grant all on public.note to anon; -- <-
grant insert, update on public.note to public; -- <-
alter role app superuser; -- <-
create role app login password 'hunter2'; -- <-
copy public.note from program 'curl https://example.com'; -- <-
