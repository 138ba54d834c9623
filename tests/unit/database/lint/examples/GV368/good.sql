grant select on public.note to anon;
grant all on public.note to authenticated;
grant execute on function public.purge to anon;
create role app login;
revoke all on public.note from anon;
