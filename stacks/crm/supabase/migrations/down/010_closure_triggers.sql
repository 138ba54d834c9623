-- The rows of public.closure stay, and nothing keeps them true any more.
drop trigger if exists trg_edge_upd on public.edge;
drop trigger if exists trg_edge_del on public.edge;
drop trigger if exists trg_edge_ins on public.edge;
drop trigger if exists trg_edge_board on public.edge;
drop schema if exists graph cascade; -- nothing but the functions of this migration
