"""Many changes at once, and judgements that fail, never end or have to wait."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest

from gavan.core.realtime import judge as judge_module
from gavan.core.realtime.app import Service, build
from gavan.core.realtime.run import MOST
from tests.conftest import Database
from tests.integration.core.realtime.conftest import serving, settings_of
from tests.integration.core.realtime.following import ANN, BOB, change, follow, table
from tests.integration.core.realtime.wire import DEADLINE_S, RawClient, Server, token

SCHEMA = """
create table public.note (
    place int, number int, owner uuid not null, title text, long text,
    primary key (place, number)
);
alter table public.note alter long set storage external;
alter table public.note enable row level security;
create policy own on public.note using (owner = auth.uid());
alter publication supabase_realtime add table public.note;
"""
NOTE = table("note")
ENDLESS = r"title=match.^(x+)(x+)(x+)(x+)(x+)\1\2\3\4\5$"
TIRING = "x" * 301


@pytest.fixture
def writer(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with database.connect() as connection:
        connection.execute(SCHEMA.encode())
        yield connection


@pytest.fixture
def service(database: Database, writer: psycopg.Connection[Any]) -> Service:
    return build(settings_of(database))


@pytest.fixture
async def server(service: Service) -> AsyncIterator[Server]:
    async with serving(service) as running:
        yield running


async def told(client: RawClient, count: int) -> list[tuple[str, int, str | None]]:
    found = []
    for _ in range(count):
        data = await change(client)
        row = data.get("record") or data["old_record"]
        found.append((data["type"], row["number"], row.get("title")))
    return found


async def test_rows_that_are_judged_together_reach_each_their_own_in_order(
    server: Server,
    service: Service,
    writer: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(judge_module, "QUICK_S", 10.0)  # whatever else the machine does
    monkeypatch.setattr(judge_module, "SLOW_S", 20.0)
    ann, bob, both = await server.client(), await server.client(), await server.client()
    await follow(ann, NOTE, user=ANN)
    await follow(bob, table("note", filter="title=not.eq.5"), user=BOB)
    await follow(both, {**NOTE, "select": ["title"]}, access_token=token("service_role"))
    insert = (
        "insert into note select n % 2, n, case when n % 3 = 0 then {ann} else {bob} end, n"
        " from generate_series({first}, {last}) as n"
    )
    last = 1000
    writer.execute(insert.format(ann=f"'{ANN}'::uuid", bob=f"'{BOB}'::uuid", first=1, last=last))
    rows = [("INSERT", number, str(number)) for number in range(1, last + 1)]
    assert await told(both, last) == rows
    anns = [row for row in rows if row[1] % 3 == 0]
    assert await told(ann, len(anns)) == anns
    bobs = [row for row in rows if row[1] % 3 and row[1] != 5]
    assert await told(bob, len(bobs)) == bobs
    assert service.hub.changes._judge.together == MOST, "what is quick is judged together"
    writer.execute("delete from note where number <= 200")
    gone = [("DELETE", number, None) for number in range(1, 201)]
    assert sorted(await told(ann, 200)) == gone
    for client in (ann, bob):
        assert await client.is_quiet()


async def test_one_row_that_changes_again_and_again_is_told_every_time(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    ann = await server.client()
    await follow(ann, NOTE, user=ANN)
    long = "x" * 50_000
    for turn in range(5):  # by then several are judged together
        with writer.transaction():
            writer.execute("insert into note values (1, %s, %s, 'a', %s)", (turn, ANN, long))
            for title in "bcde":
                sets = "title = %s, long = long || 'y'" if title == "d" else "title = %s"
                update = f"update note set {sets} where number = %s"
                writer.execute(update.encode(), (title, turn))
        heard = [(await change(ann))["record"] for _ in range(5)]
        assert [row["title"] for row in heard] == list("abcde")
        # An unchanged large value is absent, in the midst of others that have it.
        assert [row.get("long") for row in heard] == [long, None, None, long + "y", None]


async def test_a_table_that_is_closed_for_a_while_is_waited_for(
    server: Server, database: Database, writer: psycopg.Connection[Any]
) -> None:
    ann = await server.client()
    await follow(ann, NOTE, user=ANN)
    question = (
        "select count(*) from pg_stat_activity where datname = current_database()"
        " and wait_event_type = 'Lock' and query like '%gavan_deliver%'"
    )
    with database.connect() as migration, database.connect("supabase_admin") as watch:
        with migration.transaction():
            # A migration that holds its lock longer than a judgement may take.
            migration.execute("insert into note values (1, 1, %s, 'before')", (ANN,))
            migration.execute("lock table note in access exclusive mode")
            writer.execute("create table fence (id int primary key)")
        with migration.transaction():
            migration.execute("lock table note in access exclusive mode")
            waits = 0
            async with asyncio.timeout(DEADLINE_S):
                while waits < 10:
                    waits += watch.execute(question.encode()).fetchall()[0][0]
                    await asyncio.sleep(0.1)
            migration.execute("alter table note add more int default 7")
    assert (await change(ann))["record"]["title"] == "before"


async def test_a_filter_that_takes_too_long_is_left_out_for_a_while(
    server: Server,
    writer: psycopg.Connection[Any],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(judge_module, "REST_FIRST_S", 600.0)
    ann, hostile = await server.client(), await server.client()
    await follow(ann, NOTE, user=ANN)
    await follow(hostile, table("note", filter=ENDLESS), user=ANN)
    caplog.set_level(logging.WARNING, "gavan.core.realtime.judge")
    for number in range(10):
        writer.execute("insert into note values (1, %s, %s, %s)", (number, ANN, TIRING))
        assert (await change(ann))["record"]["number"] == number
    assert [one.message for one in caplog.records] == ["change_split", "change_not_judged"]
    # Afterwards it is asked again, and heard if it has become quick.
    later = time.monotonic() + judge_module.REST_LAST_S
    monkeypatch.setattr(judge_module, "monotonic", lambda: later)
    writer.execute("insert into note values (1, 10, %s, %s)", (ANN, "x" * 10))
    assert (await change(hostile))["record"]["number"] == 10
