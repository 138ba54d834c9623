create function public.edge_after_insert() returns trigger language plpgsql as $$ -- <-
begin
  insert into closure(ancestor, descendant, depth, type)
  values (new.src, new.dst, 1, new.type)
  on conflict do nothing;
  insert into closure(ancestor, descendant, depth, type)
  select c1.ancestor, c2.descendant, c1.depth + c2.depth, new.type
  from closure c1, closure c2
  where c1.descendant = new.src and c2.ancestor = new.dst
  on conflict do nothing;
  return null;
end $$;
