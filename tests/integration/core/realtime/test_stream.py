"""The replication stream and its server: feedback, silence, publications, settings of others."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gavan.core.realtime import stream as stream_module
from gavan.core.realtime.app import build
from gavan.core.realtime.connection import connect
from gavan.core.realtime.limits import Limits
from gavan.core.realtime.pgoutput import Change, Relation
from gavan.core.realtime.source import Source
from tests.conftest import Database
from tests.integration.core.realtime.conftest import serving, settings_of
from tests.integration.core.realtime.following import TOPIC, change, follow, subscribed, table
from tests.integration.core.realtime.wire import DEADLINE_S, token
from tests.servers import wait_until

SCHEMA = """
create table public.item (id int primary key, at timestamptz, span interval, raw bytea, ratio real);
alter publication supabase_realtime add table public.item;
"""
ITEM = table("item")
PAIRS = 2_000
"""Postgres sleeps through the second commit of about one in a thousand"""


@pytest.fixture
def writer(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with database.connect("supabase_admin") as connection:
        connection.execute(SCHEMA.encode())
        yield connection


@dataclass
class Taker:
    """A sink that waits for leave before it has taken a change."""

    began: asyncio.Event = field(default_factory=asyncio.Event)
    holds: asyncio.Event = field(default_factory=asyncio.Event)
    leave: asyncio.Event = field(default_factory=asyncio.Event)
    taken: list[Any] = field(default_factory=list)
    times: int = 0

    async def begin(self) -> None:
        self.times += 1
        self.began.set()

    def wants(self, relation: Relation, action: str) -> bool:
        return not relation.is_message

    async def meet(self, relation: Relation) -> None: ...

    async def take(self, changes: Sequence[Change]) -> int:
        self.holds.set()
        await self.leave.wait()
        self.taken.append(changes[0].new["id"])
        return 1

    async def lose(self) -> None: ...


@asynccontextmanager
async def running(url: str, taker: Taker, limits: Limits | None = None) -> AsyncIterator[None]:
    source = Source(url, limits or Limits(), taker)
    source.start()
    try:
        async with asyncio.timeout(DEADLINE_S):
            await taker.began.wait()
        yield
    finally:
        await source.stop()


def asked(writer: psycopg.Connection[Any], column: str) -> Any:
    row = writer.execute(
        f"select {column} from pg_stat_replication join pg_replication_slots on active_pid = pid"
        " where database = current_database()".encode()
    ).fetchone()
    return row[0] if row else None


async def until_changed(writer: psycopg.Connection[Any], column: str, times: int) -> None:
    """Wait until the server has heard of the reader so often."""
    seen = {asked(writer, column)}
    async with asyncio.timeout(DEADLINE_S):
        while len(seen) <= times:
            await asyncio.sleep(0.01)
            seen.add(asked(writer, column))


async def test_a_reader_that_takes_its_time_still_feeds_back(
    database: Database, writer: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "FEEDBACK_S", 0.05)
    taker = Taker()
    async with running(database.url("supabase_admin"), taker):
        writer.execute("insert into item (id) values (1), (2)")
        await taker.holds.wait()
        await until_changed(writer, "reply_time", 3)
        taker.leave.set()
        writer.execute("insert into item (id) values (3)")
        async with asyncio.timeout(DEADLINE_S):
            while len(taker.taken) < 3:  # noqa: ASYNC110 - the reader is another task
                await asyncio.sleep(0.01)
    assert (taker.taken, taker.times) == (["1", "2", "3"], 1)


async def test_no_commit_is_slept_through_until_the_next(
    database: Database, writer: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "FEEDBACK_S", 60.0)
    taker = Taker()
    taker.leave.set()
    async with running(database.url("supabase_admin"), taker):
        for number in range(2, PAIRS * 2 + 2, 2):
            # The second commit falls into the time that the server needs to send the first.
            await asyncio.to_thread(_commit_twice, writer, number)
            async with asyncio.timeout(DEADLINE_S):
                while len(taker.taken) < number:  # noqa: ASYNC110 - the reader is another task
                    await asyncio.sleep(0)


def _commit_twice(writer: psycopg.Connection[Any], number: int) -> None:
    for one in (number, number + 1):
        writer.execute("insert into item (id) values (%s)", (one,))


async def test_a_durable_slot_moves_on_only_behind_what_was_taken(
    database: Database, writer: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "FEEDBACK_S", 0.05)
    taker = Taker()
    try:
        async with running(
            database.url("supabase_admin"), taker, Limits(is_durable=True, rejoin_s=0)
        ):
            # What came before may still be confirmed meanwhile: the server tells how far it is.
            (before,) = writer.execute("select pg_current_wal_lsn()").fetchall()[0]
            has_passed = f"confirmed_flush_lsn > '{before}'"
            writer.execute("insert into item (id) values (1)")
            await taker.holds.wait()
            await until_changed(writer, "reply_time", 3)
            assert asked(writer, has_passed) is False
            taker.leave.set()
            async with asyncio.timeout(DEADLINE_S):
                while not asked(writer, has_passed):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.01)
    finally:
        drop_slots(writer)


def drop_slots(writer: psycopg.Connection[Any]) -> None:
    """Drop the slots of the database once their readers are gone: they would keep it alive."""
    of_here = "from pg_replication_slots where database = current_database()"
    wait_until(lambda: writer.execute(f"select {of_here} and active".encode()).rowcount == 0)
    writer.execute(f"select pg_drop_replication_slot(slot_name) {of_here}".encode())


@dataclass
class Lane:
    """A way to the server that can fall silent without being closed."""

    port: int = 0
    is_open: bool = True
    ends: list[asyncio.StreamWriter] = field(default_factory=list)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.ends.append(writer)
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if self.is_open:
                    writer.write(data)
        writer.close()


@asynccontextmanager
async def lane(database: Database) -> AsyncIterator[tuple[Lane, str]]:
    url = database.url("supabase_admin")
    parts = conninfo_to_dict(url)
    made = Lane()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(str(parts["host"]), int(str(parts["port"])))
        await asyncio.gather(made.carry(reader, there[1]), made.carry(there[0], writer))

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made, make_conninfo(url, host="127.0.0.1", port=made.port, sslmode="disable")
    finally:
        server.close()
        for end in made.ends:
            end.transport.abort()
        await asyncio.gather(*(end.wait_closed() for end in made.ends), return_exceptions=True)


async def test_a_server_that_fell_silent_is_left_for_a_new_connection(
    database: Database, writer: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "FEEDBACK_S", 0.05)
    monkeypatch.setattr(stream_module, "SILENT_S", 1.5)
    taker = Taker()
    taker.leave.set()
    async with lane(database) as (way, url), running(url, taker):
        # A server that only has nothing to say answers when it is asked.
        await until_changed(writer, "reply_time", 35)
        assert taker.times == 1
        taker.began.clear()
        way.is_open = False
        async with asyncio.timeout(DEADLINE_S):
            while asked(writer, "pid") is not None:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)
        way.is_open = True
        async with asyncio.timeout(DEADLINE_S):
            await taker.began.wait()
    assert taker.times == 2


async def test_a_server_that_does_not_answer_holds_up_nothing_else() -> None:
    """A port that takes connections and says nothing, and a loop that goes on meanwhile."""
    met = asyncio.Event()
    ends: list[asyncio.StreamWriter] = []

    async def meet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends.append(writer)
        met.set()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    opening = asyncio.create_task(
        stream_module.Stream.open(f"postgresql://nobody@127.0.0.1:{port}/none")
    )
    async with asyncio.timeout(DEADLINE_S):
        await met.wait()
    server.close()
    for end in ends:
        end.close()
        await end.wait_closed()
    with pytest.raises(psycopg.OperationalError):
        await opening


async def test_a_network_that_is_gone_is_found_out_by_every_connection(database: Database) -> None:
    connection = await connect(database.url("supabase_admin"))
    try:
        with socket.socket(fileno=os.dup(connection.fileno())) as wire:
            patience = {
                name: wire.getsockopt(socket.IPPROTO_TCP, getattr(socket, f"TCP_{name}"))
                for name in ("KEEPIDLE", "KEEPINTVL", "KEEPCNT", "USER_TIMEOUT")
            }
            is_kept_alive = wire.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    finally:
        await connection.close()
    assert is_kept_alive
    assert patience["KEEPIDLE"] + patience["KEEPINTVL"] * patience["KEEPCNT"] <= 30
    assert 0 < patience["USER_TIMEOUT"] <= 30_000


@pytest.mark.parametrize(
    "harm",
    [
        "drop publication supabase_realtime_messages_publication",
        "alter publication supabase_realtime_messages_publication set table item",
    ],
)
async def test_what_the_database_says_is_heard_though_its_publication_was_harmed(
    database: Database, writer: psycopg.Connection[Any], harm: str
) -> None:
    writer.execute(harm)
    async with serving(build(settings_of(database))) as server:
        client = await server.client()
        await client.join(TOPIC, {"broadcast": {"replication_ready": True}})
        assert (await client.expect("system")).payload["status"] == "ok"
        writer.execute("select realtime.send('{\"x\": 1}', 'news', 'changes', false)")
        assert (await client.expect("broadcast")).payload["payload"]["x"] == 1


async def test_without_the_publication_of_tables_a_subscription_says_so_until_it_is_made(
    database: Database, writer: psycopg.Connection[Any]
) -> None:
    async with serving(build(settings_of(database))) as server:
        before, after = await server.client(), await server.client()
        await follow(before, ITEM)
        writer.execute("drop publication supabase_realtime")
        writer.execute("insert into item (id) values (1)")
        await after.join(TOPIC, {"postgres_changes": [ITEM]}, access_token=token())
        for client in (after, before):
            system = (await client.expect("system")).payload
            assert system["status"] == "error"
            assert "Please check Realtime is enabled" in system["message"]
        # The way the manuals begin: drop it, make it, add the tables.
        writer.execute("create publication supabase_realtime")
        writer.execute("alter publication supabase_realtime add table item")
        writer.execute("insert into item (id) values (2)")
        for client in (before, after):
            await subscribed(client)
            assert (await change(client))["record"]["id"] == 2


SETTINGS = {
    "timezone": "Asia/Tokyo",
    "datestyle": "German, DMY",
    "bytea_output": "escape",
    "extra_float_digits": "-5",
    "default_transaction_isolation": "repeatable read",
    "idle_session_timeout": "200ms",
    "wal_sender_timeout": "1ms",
    "standard_conforming_strings": "off",
    "quote_all_identifiers": "on",
}


async def test_settings_of_the_database_change_nothing_of_what_is_told(
    database: Database, writer: psycopg.Connection[Any]
) -> None:
    for name, value in SETTINGS.items():
        writer.execute(f"alter database \"{database.name}\" set {name} = '{value}'".encode())
    writer.execute("alter table item enable row level security")
    writer.execute("create policy everybody on item using (true)")
    async with serving(build(settings_of(database))) as server:
        client = await server.client()
        await follow(client, ITEM)
        for number in range(1, 51):
            insert = "insert into item values (%s, '2026-02-01 12:00+00', '1 day', %s, 0.1)"
            await asyncio.to_thread(writer.execute, insert, (number, b"a\\\x00"))
            assert (await change(client))["record"] == {
                "id": number,
                "at": "2026-02-01T12:00:00+00:00",
                "span": "1 day",
                "raw": "615c00",
                "ratio": 0.1,
            }
        writer.execute("select realtime.send_binary('\\x00ff', 'raw', 'changes', false)")
        assert (await client.expect("broadcast")).payload["payload"] == b"\x00\xff"
