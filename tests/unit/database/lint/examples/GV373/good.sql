create function public.edge_after_insert() returns trigger language plpgsql as $$
begin
  insert into closure (ancestor, descendant, depth, type)
  select a.id, d.id, a.n + 1 + d.n, new.type
  from (select new.src as id, 0 as n union all select ancestor, depth from closure
    where descendant = new.src and type = new.type and ancestor <> new.src) a
  cross join (select new.dst as id, 0 as n union all select descendant, depth from closure
    where ancestor = new.dst and type = new.type and descendant <> new.dst) d
  on conflict (ancestor, descendant, type) do update set depth = least(closure.depth, excluded.depth);
  return null;
end $$;
