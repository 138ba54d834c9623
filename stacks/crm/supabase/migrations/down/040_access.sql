-- Afterwards every table is open to the API again, as the default privileges leave it.
drop view if exists public.cycle_time;
drop view if exists public.velocity;
drop view if exists public.burndown;
drop view if exists public.cfd_daily;
drop function if exists public.match_embedding(uuid, extensions.vector, int, text);
drop function if exists public.invite_member(uuid, text);
drop function if exists private.join_board(uuid, text);
drop function if exists public.create_board(text);
drop trigger if exists add_owner on public.board;
drop function if exists private.add_owner();

drop policy if exists embedding_member on public.embedding;
drop policy if exists closure_read on public.closure;
drop policy if exists edge_member on public.edge;
drop policy if exists node_member on public.node;
drop policy if exists card_move_read on public.card_move;
drop policy if exists card_read on public.card;
drop policy if exists task_member on public.task;
drop policy if exists column_member on public."column";
drop policy if exists board_member_leave on public.board_member;
drop policy if exists board_member_read on public.board_member;
drop policy if exists board_delete on public.board;
drop policy if exists board_rename on public.board;
drop policy if exists board_create on public.board;
drop policy if exists board_read on public.board;

alter table public.board disable row level security;
alter table public.board_member disable row level security;
alter table public."column" disable row level security;
alter table public.task disable row level security;
alter table public.card disable row level security;
alter table public.card_move disable row level security;
alter table public.node disable row level security;
alter table public.edge disable row level security;
alter table public.closure disable row level security;
alter table public.embedding disable row level security;

-- With the rights on a table those on its columns go too.
revoke all on public.board, public.board_member, public."column", public.task, public.card,
  public.card_move, public.node, public.edge, public.closure, public.embedding from authenticated;
grant all on public.board, public.board_member, public."column", public.task, public.card,
  public.card_move, public.node, public.edge, public.closure, public.embedding
  to anon, authenticated;

revoke execute on function private.my_boards, private.owned_boards
  from authenticated, service_role;
grant execute on all functions in schema private to public;
grant execute on function public.create_card, public.move_card, public.archive_card
  to public, anon;
