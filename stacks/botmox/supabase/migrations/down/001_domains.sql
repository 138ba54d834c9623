drop table if exists public.artifact;
drop table if exists public.setting;
drop table if exists public.finance_entry;
drop table if exists public.resource;
drop table if exists public.bot;
drop table if exists public.workspace;
