-- All rows of the boards go with their tables.
drop table if exists public.embedding;
drop table if exists public.closure;
drop table if exists public.edge;
drop table if exists public.node;
drop table if exists public.card_move;
drop table if exists public.card;
drop table if exists public.task;
drop table if exists public."column";
drop table if exists public.board_member;
drop table if exists public.board;
drop function if exists private.touch();
drop schema if exists private;
-- The extensions stay: they were there before, or others use them by now.
