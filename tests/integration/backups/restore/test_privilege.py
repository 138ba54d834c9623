"""What users wrote in SQL runs while a backup is loaded, and gains nothing there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gavan.backups.drill import drill
from gavan.backups.report import as_markdown
from gavan.backups.rows import Table
from gavan.backups.salvage import salvage
from tests.integration.backups.restore.conftest import House

# Who ran the code is kept in large objects, which no later step of a restore writes over.
HOSTILE = """
create function public.rob() returns boolean language plpgsql as $body$
declare
    attempt text;
begin
    foreach attempt in array array[
        'select 1',
        'set role supabase_admin',
        'reset role',
        'set session authorization supabase_admin',
        'reset session authorization',
        'select set_config(''role'', ''supabase_admin'', false)',
        'select set_config(''role'', ''none'', false)',
        'set role supabase_auth_admin'
    ] loop
        begin
            execute attempt;
            execute 'create role robber superuser';
        exception when others then
            null;
        end;
    end loop;
    perform pg_catalog.lo_from_bytea(0, current_user::text::bytea);
    return true;
end
$body$;
create function public.robbed(n int) returns int language plpgsql immutable as $body$
begin
    perform public.rob();
    return n;
end
$body$;
create domain public.odd as int check (public.rob());
create type public.word as enum ('a');
create function public.said(public.word) returns int language plpgsql immutable as $body$
begin
    perform public.rob();
    return 1;
end
$body$;
create cast (public.word as int) with function public.said(public.word) as implicit;
create function public.grow(public.odd, int) returns public.odd language sql as 'select $1';
create aggregate public.growth(int) (sfunc = public.grow, stype = public.odd, initcond = '1');
create table public.loot (
    id int primary key check (public.rob()),
    sum int generated always as (id + public.robbed(1)) stored,
    odd public.odd
);
create table public.listed (odd public.odd) partition by list (odd);
create table public.listed_one partition of public.listed for values in (1);
create table public.ranged (id int) partition by range ((id + public.robbed(1)));
create table public.words (word int primary key);
create table public.spoken (word public.word references public.words);
create table public.rowed (id int);
create function public.row_robbed(public.rowed) returns boolean language sql
    as 'select public.rob()';
alter table public.rowed add check (public.row_robbed(rowed));
insert into public.loot (id, odd) values (1, 1);
insert into public.listed values (1);
insert into public.words values (1);
insert into public.spoken values ('a');
insert into public.rowed values (1);
create index on public.loot (public.robbed(id));
create materialized view public.robbery as select public.rob();
-- What they did here, as postgres, is no news.
select lo_unlink(oid) from pg_largeobject_metadata;
"""
# A key of theirs to a table of the superuser, whose rows nobody has compared here.
TO_THE_SUPERUSER = (
    "create table public.ours (word int primary key)",
    "insert into public.ours values (1)",
    "create table public.whispered (word public.word)",
    "insert into public.whispered values ('a')",
    "alter table public.whispered owner to postgres",
    "alter table public.whispered add foreign key (word) references public.ours not valid",
    "update pg_constraint set convalidated = true where conrelid = 'public.whispered'::regclass",
)
NO_ROBBER = "select not exists (select from pg_roles where rolname = 'robber')"
CALLED = "select count(*) >= 5 from pg_largeobject_metadata"
RUN_BY = "select distinct convert_from(lo_get(oid), 'UTF8') from pg_largeobject_metadata"


@pytest.fixture
def robbed(house: House) -> Iterator[House]:
    with house.database.connect() as connection:
        connection.execute(HOSTILE.encode())
    house.run(*TO_THE_SUPERUSER)
    yield house
    house.run("drop role if exists robber")


def assert_nothing_gained(house: House, database: str | None = None) -> None:
    assert house.run(NO_ROBBER) == [(True,)]
    users = {user for (user,) in house.run(RUN_BY, database=database)}
    assert users, "no code of users was called"
    assert "supabase_admin" not in users
    left = "select rolname from pg_roles where rolname like 'gavan\\_loader\\_%'"
    assert house.run(left) == []


def test_a_superuser_who_runs_it_is_robbed(robbed: House) -> None:
    robbed.run("select public.rob()")
    assert robbed.run(NO_ROBBER) == [(False,)]


def test_a_restore_gives_it_nothing_and_leaves_functions_as_they_were(robbed: House) -> None:
    functions = (
        "select p.oid::regprocedure::text, prosecdef, proowner::regrole::text from pg_proc as p"
        " where pronamespace <> 'pg_catalog'::regnamespace order by 1"
    )
    before = robbed.run(functions)
    robbed.backup()
    robbed.restore()
    assert_nothing_gained(robbed)
    assert robbed.run(functions) == before
    assert robbed.run("select id, sum, odd from loot") == [(1, 2, 1)]


def test_a_drill_gives_it_nothing(robbed: House) -> None:
    robbed.more = f'[backup.drill]\nsql = ["{NO_ROBBER}", "{CALLED}"]\n'
    robbed.backup()
    drilled = drill(robbed.wish())
    assert drilled.ok, as_markdown(drilled)


def test_rows_that_are_put_back_give_it_nothing(robbed: House) -> None:
    robbed.backup()
    robbed.run("delete from loot")
    robbed.run("select lo_unlink(oid) from pg_largeobject_metadata")
    robbed.restore(only=(Table(schema="public", name="loot"),))
    assert robbed.run("select id, sum, odd from loot") == [(1, 2, 1)]
    assert_nothing_gained(robbed)
    kept = "select tableowner from pg_tables where schemaname = 'gavan' and tablename ~ '^before_'"
    assert robbed.run(kept) == [("supabase_admin",)]


def test_what_is_salvaged_gives_it_nothing(robbed: House) -> None:
    robbed.backup()
    done = salvage(robbed.wish())
    try:
        assert done.refused == []
        assert_nothing_gained(robbed, done.database)
    finally:
        robbed.run(f'drop database "{done.database}"')
