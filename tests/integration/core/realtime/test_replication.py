"""What a table may go through while it is followed: identities, DDL, types, faults of Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest

from gavan.core.realtime.app import build
from gavan.core.realtime.limits import Limits
from tests.conftest import Database
from tests.integration.core.realtime.conftest import serving, settings_of
from tests.integration.core.realtime.following import TOPIC, change, follow, subscribed, table
from tests.integration.core.realtime.wire import RawClient, Server

SCHEMA = """
create table public.item (id int primary key, code text not null, big text);
alter table public.item alter big set storage external;
create unique index item_code on public.item (code);
alter publication supabase_realtime add table public.item;
"""
ITEM = table("item")


@pytest.fixture
def writer(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with database.connect() as connection:
        connection.execute(SCHEMA.encode())
        yield connection


@pytest.fixture
async def server(database: Database, writer: psycopg.Connection[Any]) -> AsyncIterator[Server]:
    async with serving(build(settings_of(database))) as running:
        yield running


async def record(client: RawClient) -> Any:
    return (await change(client))["record"]


@pytest.mark.parametrize(
    ("identity", "old", "deleted", "has_big"),
    [
        ("default", {"id": 1}, {"id": 2}, False),
        ("full", {"id": 1, "code": "a", "big": True}, {"id": 2, "code": "b", "big": True}, True),
        ("using index item_code", {"code": "a"}, {"code": "b"}, False),
    ],
)
async def test_old_rows_and_unchanged_large_values_are_as_the_replica_identity_has_them(
    server: Server,
    writer: psycopg.Connection[Any],
    identity: str,
    old: dict[str, object],
    deleted: dict[str, object],
    has_big: bool,
) -> None:
    big = "x" * 50_000
    writer.execute(f"alter table item replica identity {identity}".encode())
    writer.execute("insert into item values (1, 'a', %s)", (big,))
    client = await server.client()
    await follow(client, ITEM)
    writer.execute("update item set id = 2, code = 'b'")
    data = await change(client)
    assert data["record"] == {"id": 2, "code": "b"} | ({"big": big} if has_big else {})
    assert data["old_record"] == {name: big if name == "big" else old[name] for name in old}
    writer.execute("delete from item")
    data = await change(client)
    assert data["old_record"] == {name: big if name == "big" else deleted[name] for name in deleted}


async def test_truncate_is_passed_over_and_the_stream_goes_on(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    client = await server.client()
    await follow(client, ITEM)
    with writer.transaction():
        writer.execute("insert into item values (1, 'a')")
        writer.execute("truncate item")
        writer.execute("insert into item values (1, 'b')")
    assert [(await record(client))["code"] for _ in range(2)] == ["a", "b"]
    assert await client.is_quiet()


async def test_columns_come_go_and_change_in_mid_stream(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    client = await server.client()
    await follow(client, ITEM)
    steps = [
        ("alter table item add colour text default 'red'", "insert into item values (1, 'a')"),
        ("alter table item rename code to label", "update item set label = 'b'"),
        ("alter table item drop big", "update item set label = 'c'"),
        ("alter table item alter label type int using 7", "update item set label = 8"),
    ]
    heard = []
    for definition, statement in steps:
        with writer.transaction():
            writer.execute(definition.encode())
            writer.execute(statement.encode())
        data = await change(client)
        types = {column["name"]: column["type"] for column in data["columns"]}
        assert types.keys() == data["record"].keys()
        heard.append((data["record"], types))
    text = {"id": "int4", "big": "text", "colour": "text"}
    same = {"id": 1, "colour": "red"}
    assert heard == [
        (same | {"code": "a", "big": None}, text | {"code": "text"}),
        (same | {"label": "b", "big": None}, text | {"label": "text"}),
        (same | {"label": "c"}, {"id": "int4", "colour": "text", "label": "text"}),
        (same | {"label": 8}, {"id": "int4", "colour": "text", "label": "int4"}),
    ]


async def test_a_filter_on_a_column_that_is_gone_lets_nothing_through(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    filtered, all_rows = await server.client(), await server.client()
    await follow(filtered, table("item", filter="code=eq.a"))
    await follow(all_rows, ITEM)
    writer.execute("alter table item rename code to label")
    writer.execute("insert into item values (1, 'a')")
    assert (await record(all_rows))["label"] == "a"
    assert await filtered.is_quiet()


async def test_a_table_is_followed_by_its_name(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    client = await server.client()
    await follow(client, ITEM)
    writer.execute("drop table item")
    writer.execute(SCHEMA.encode())
    writer.execute("insert into item values (1, 'made again')")
    await subscribed(client)
    assert (await record(client))["code"] == "made again"
    writer.execute("alter table item rename to was_item")
    writer.execute("create table item (id int primary key, code text)")
    writer.execute("alter publication supabase_realtime add table item")
    writer.execute("insert into was_item values (2, 'under another name')")
    writer.execute("insert into item values (2, 'under the name')")
    while (got := await client.receive()).event == "system":
        assert got.payload["message"] == "Subscribed to PostgreSQL"
    assert got.payload["data"]["record"]["code"] == "under the name"


async def test_the_publication_tells_what_is_sent(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    client = await server.client()
    await follow(client, ITEM)
    for publication, statements in (
        ("drop table item", ["insert into item values (1, 'unheard')"]),
        ("add table item (id, code)", ["insert into item values (2, 'two of three', 'big')"]),
        (
            "set table item where (id > 3)",
            ["insert into item values (3, 'out')", "insert into item values (4, 'in')"],
        ),
    ):
        writer.execute(f"alter publication supabase_realtime {publication}".encode())
        for statement in statements:
            writer.execute(statement.encode())
    assert await record(client) == {"id": 2, "code": "two of three"}
    assert (await record(client))["code"] == "in"


async def test_partitions_are_followed_one_by_one_or_as_their_root(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    writer.execute(
        "create table part (id int primary key, what text) partition by range (id);"
        "create table part_low partition of part for values from (0) to (10);"
        "create table part_high partition of part for values from (10) to (20);"
        "alter publication supabase_realtime add table part"
    )
    client = await server.client()
    await follow(client, table("part_low"))
    writer.execute("insert into part values (11, 'high'), (1, 'low')")
    data = await change(client)
    assert (data["table"], data["record"]["id"]) == ("part_low", 1)
    # Moved to another partition: gone from this one.
    writer.execute("update part set id = 12 where id = 1")
    assert (await change(client))["old_record"] == {"id": 1}
    writer.execute("alter publication supabase_realtime set (publish_via_partition_root)")
    rooted = await server.client()
    await follow(rooted, table("part"))
    writer.execute("insert into part values (2, 'by the root')")
    data = await change(rooted)
    assert (data["table"], data["record"]["what"]) == ("part", "by the root")


async def test_generated_columns_are_listed_and_sent_if_published(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    writer.execute(
        "create table made (id int primary key, double int generated always as (id * 2) stored);"
        "alter publication supabase_realtime add table made"
    )
    client = await server.client()
    await follow(client, table("made"))
    writer.execute("insert into made values (1)")
    data = await change(client)
    assert [column["name"] for column in data["columns"]] == ["id", "double"]
    assert data["record"] == {"id": 1}
    writer.execute("alter publication supabase_realtime set (publish_generated_columns = stored)")
    writer.execute("insert into made values (2)")
    assert await record(client) == {"id": 2, "double": 4}


TYPES = {
    "smallint": "-32768",
    "bigint": "9223372036854775807",
    "numeric": "1" * 500 + "." + "2" * 500,
    "numeric(10,2)": "1.50",
    "real": "1.1",
    "double precision": "-Infinity",
    "money": "12.34",
    "boolean": "f",
    "char(5)": "ab",
    '"char"': "x",
    "varchar(3)": "äß€",
    "name": "n",
    "text": "\x01\x7f\u2028 ' \" \\ \\u0041 😀 \\x",
    "uuid": "11111111-1111-4111-8111-111111111111",
    "json": '{"b":1, "a":[null,1.0], "b":2}',
    "jsonb": "123456789012345678901234567890.5",
    "date": "infinity",
    "time": "24:00",
    "timetz": "10:00:00+03",
    "timestamp": "0044-03-15 12:00:00 BC",
    "timestamptz": "-infinity",
    "interval": "1 year -2 days 03:00:00.000001",
    "inet": "::1/64",
    "macaddr": "08:00:2b:01:02:03",
    "bit(3)": "101",
    "bit varying": "",
    "point": "(1,-2)",
    "polygon": "((0,0),(1,1),(1,0))",
    "tsvector": "'a':1A 'b'",
    "int4range": "[1,5)",
    "tstzrange": "[2026-01-01 00:00+00,infinity)",
    "int4multirange": "{[1,3),[5,6)}",
    "pg_lsn": "16/B374D848",
    "xid8": "18446744073709551615",
    "regclass": "pg_class",
    "int[]": "[0:1][1:2]={{1,2},{3,NULL}}",
    "public.mood[]": '{sad,"so so"}',
    "public.pair": '(1,"a ""b"", c")',
    "public.pair[]": '{"(1,a)","(,)"}',
    "public.positive": "7",
    "public.tags": "{a,NULL}",
    "bytea[]": '{"\\\\x00ff"}',
}


async def test_values_of_every_type_are_the_json_of_postgres(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    columns = ", ".join(f"c{number} {name}" for number, name in enumerate(TYPES))
    writer.execute(
        "create type public.mood as enum ('sad', 'so so');"
        "create type public.pair as (n int, t text);"
        "create domain public.positive as int check (value > 0);"
        "create domain public.tags as text[];"
        f"create table kinds (id int primary key, {columns});"
        "alter publication supabase_realtime add table kinds".encode()
    )
    client = await server.client()
    await follow(client, table("kinds"))
    places = ", ".join(["%s"] * len(TYPES))
    writer.execute(f"insert into kinds values (1, {places})".encode(), tuple(TYPES.values()))
    writer.execute("insert into kinds (id) values (2)")
    for number in (1, 2):
        data = await change(client)
        found = writer.execute("select to_jsonb(kinds) from kinds where id = %s", (number,))
        expected = found.fetchall()[0][0]
        named = {name: f"c{place}" for place, name in enumerate(TYPES)}
        assert {name: data["record"][place] for name, place in named.items()} == {
            name: expected[place] for name, place in named.items()
        }
        types = {column["name"]: column["type"] for column in data["columns"]}
        assert list(types) == ["id", *named.values()]
        assert types[named["public.mood[]"]] == "_mood"
        assert types[named["public.positive"]] == "positive"


async def test_a_transaction_that_was_open_before_delays_the_start_and_loses_nothing_after(
    server: Server, writer: psycopg.Connection[Any], database: Database
) -> None:
    client = await server.client()
    with database.connect() as early:
        early.execute("begin")
        early.execute("insert into item values (1, 'begun before')")
        reply = await client.join(TOPIC, {"postgres_changes": [ITEM]})
        assert reply["status"] == "ok"
        ref = await client.send(TOPIC, "presence", {"event": "untrack"})
        assert (await client.reply_to(ref))["status"] == "ok"
        assert await client.is_quiet()
        early.execute("commit")
    await subscribed(client)
    writer.execute("insert into item values (2, 'after')")
    assert (await record(client))["code"] == "after"


async def test_a_walsender_killed_in_a_large_transaction_begins_it_again_unheard(
    database: Database, writer: psycopg.Connection[Any]
) -> None:
    limits = Limits(is_durable=True, rejoin_s=0, changes_per_transaction=1000)
    async with serving(build(settings_of(database), limits=limits)) as server:
        client = await server.client()
        await follow(client, ITEM)
        rows = "insert into item select n, n from generate_series(1, 100000) as n"
        writing = asyncio.create_task(asyncio.to_thread(writer.execute, rows.encode()))
        heard = [(await record(client))["id"] for _ in range(300)]
        await writing
        with database.connect("supabase_admin") as admin:
            killed = admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where"
                " datname = current_database() and backend_type = 'walsender'"
            ).fetchall()
        assert killed == [(True,)]
        heard += [(await record(client))["id"] for _ in range(700)]
        assert heard == list(range(1, 1001))
        writer.execute("insert into item values (0, 'next')")
        assert (await record(client))["id"] == 0
