"""Every kind of relation that Postgres has, as something to read, write and embed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.conftest import Database
from tests.integration.core.rest.cases import Case, check
from tests.integration.core.rest.conftest import Api, serve

SCHEMA = """
create table public.make (id int primary key, name text);
create table public.sale (
    id int, year int, make_id int references public.make, primary key (id, year)
) partition by list (year);
create table public.sale_2025 partition of public.sale for values in (2025);
create table public.sale_2026 partition of public.sale for values in (2026);
insert into public.make values (1, 'one'), (2, 'two');
insert into public.sale values (1, 2025, 1), (2, 2026, 1);

create materialized view public.kept as select id, make_id, year from public.sale;
create view public.either as
    select id, make_id from public.sale union select id, id from public.make;
create view public.twice as select id, make_id as first, make_id as second from public.sale;
create view public.nested as
    with s as (select * from public.sale) select s.make_id as maker, s.id from s;
create view public.added as select name, count(*) as number from public.make group by name;
create function public.add_make() returns trigger language plpgsql as $$
begin
    insert into public.make values (100, new.name);
    return new;
end $$;
create trigger added instead of insert on public.added for each row execute function add_make();

create extension file_fdw schema extensions;
create server files foreign data wrapper file_fdw;
create foreign table public.version (major text) server files options (filename 'PG_VERSION');

create table public.unsure (
    id int primary key, make_id int references public.make not enforced,
    twofold int generated always as (id * 2) virtual, stored int generated always as (id + 1) stored
);
grant all on all tables in schema public to anon;
"""
WRITES = "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"
FULL = "return=representation"


@pytest.fixture
async def kinds(database: Database) -> AsyncIterator[Api]:
    with database.connect("supabase_admin") as connection:
        connection.execute(SCHEMA.encode())
    async for ready in serve(database):
        yield ready


async def test_partitions_are_reached_through_their_parent_only(kinds: Api) -> None:
    await check(
        kinds,
        [
            Case(
                url="/sale?select=id,make(name)&order=id",
                body=[{"id": 1, "make": {"name": "one"}}, {"id": 2, "make": {"name": "one"}}],
            ),
            Case(
                url="/make?select=id,sale(year)&sale.order=year&id=eq.1",
                body=[{"id": 1, "sale": [{"year": 2025}, {"year": 2026}]}],
            ),
            Case(url="/sale_2025", status=404, code="PGRST205"),
            Case(url="/make?select=sale_2025(id)", status=400, code="PGRST200"),
            Case(url="/sale", method="OPTIONS", expect={"allow": WRITES}),
            Case(
                url="/sale",
                method="POST",
                send={"id": 3, "year": 2026},
                status=201,
                prefer="return=headers-only",
                expect={"location": "/sale?id=eq.3&year=eq.2026"},
            ),
            Case(
                url="/sale", method="POST", send={"id": 3, "year": 1999}, status=400, code="23514"
            ),
        ],
    )


async def test_views_have_the_keys_of_what_they_show(kinds: Api) -> None:
    one = {"make": {"name": "one"}}
    await check(
        kinds,
        [
            Case(url="/kept?select=make(name)&limit=1", body=[one]),
            Case(url="/kept", method="OPTIONS", expect={"allow": "OPTIONS,GET,HEAD"}),
            Case(url="/kept", method="POST", send={"id": 9}, status=400, code="42809"),
            Case(url="/nested?select=id,make(name)&id=eq.1", body=[{"id": 1, **one}]),
            Case(url="/either?select=make(name)", status=400, code="PGRST200"),
            # A key that is shown twice leads to the same place by two ways.
            Case(url="/twice?select=make(name)", status=300, code="PGRST201"),
            Case(url="/twice?select=make!first(name)&id=eq.1", body=[one]),
            Case(url="/added", method="OPTIONS", expect={"allow": "OPTIONS,GET,HEAD,POST"}),
            Case(url="/added", method="POST", send={"name": "new"}, status=201),
            Case(url="/make?id=eq.100", body=[{"id": 100, "name": "new"}]),
            Case(
                url="/added?name=eq.new",
                method="PATCH",
                send={"name": "x"},
                status=500,
                code="55000",
            ),
        ],
    )


async def test_foreign_tables_unenforced_keys_and_generated_columns(kinds: Api) -> None:
    await check(
        kinds,
        [
            Case(url="/version?major=match.^[0-9]%2B$", prefer="count=exact", range="0-0/1"),
            Case(url="/version", method="OPTIONS", expect={"allow": "OPTIONS,GET,HEAD"}),
            Case(url="/unsure?select=make(name)", status=400, code="PGRST200"),
            Case(
                url="/unsure?columns=id,make_id",
                method="POST",
                send=[{"id": 4}],
                status=201,
                prefer=f"{FULL}, missing=default",
                body=[{"id": 4, "make_id": None, "twofold": 8, "stored": 5}],
            ),
            Case(url="/unsure?twofold=eq.8&select=id", body=[{"id": 4}]),
            Case(
                url="/unsure", method="POST", send={"id": 5, "twofold": 1}, status=400, code="428C9"
            ),
        ],
    )
