"""A durable slot: what commits while nobody reads comes later, once, and never fills the disk."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from gavan.core.realtime.app import Service, build
from gavan.core.realtime.limits import Limits
from tests.conftest import Database
from tests.integration.core.realtime.conftest import serving, settings_of
from tests.integration.core.realtime.wire import RawClient, Server

TOPIC = "realtime:log"
DURABLE = Limits(is_durable=True, rejoin_s=0.3)
SCHEMA = """
create table public.entry (id int primary key);
grant select on public.entry to anon;
alter publication supabase_realtime add table public.entry;
"""


@pytest.fixture
def writer(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with database.connect("supabase_admin") as connection:
        connection.execute(SCHEMA.encode())
        yield connection


def service(database: Database, limits: Limits = DURABLE) -> Service:
    return build(settings_of(database), limits=limits)


async def follow(server: Server) -> RawClient:
    client = await server.client()
    wanted = {"event": "*", "schema": "public", "table": "entry"}
    assert (await client.join(TOPIC, {"postgres_changes": [wanted]}))["status"] == "ok"
    await subscribed(client)
    return client


async def subscribed(client: RawClient) -> None:
    assert (await client.expect("system")).payload["message"] == "Subscribed to PostgreSQL"


async def ids(client: RawClient, count: int) -> list[int]:
    found = []
    for _ in range(count):
        got = await client.expect("postgres_changes")
        found.append(int(got.payload["data"]["record"]["id"]))
    return found


async def test_what_commits_while_the_stream_is_broken_comes_once(
    database: Database, writer: psycopg.Connection[Any]
) -> None:
    async with serving(service(database)) as server:
        client = await follow(server)
        for number in range(300):
            writer.execute("insert into entry values (%s)", (number,))
            if number % 100 == 50:
                writer.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where datname = current_database() and application_name like 'gavan real%'"
                )
            await asyncio.sleep(0)
        assert await ids(client, 300) == list(range(300))
        # The line may be found broken after the stream: then everybody is subscribed once more.
        assert await client.rest("postgres_changes") == []


async def test_what_commits_while_no_core_runs_comes_to_those_who_come_back(
    database: Database, writer: psycopg.Connection[Any]
) -> None:
    async with serving(service(database)) as server:
        client = await follow(server)
        writer.execute("insert into entry values (1)")
        assert await ids(client, 1) == [1]
    writer.execute("insert into entry values (2), (3)")
    async with serving(service(database)) as server:
        client = await follow(server)
        assert await ids(client, 2) == [2, 3]
        assert await client.is_quiet()


async def test_a_slot_that_the_server_gave_up_is_made_anew(
    database: Database, writer: psycopg.Connection[Any]
) -> None:
    async with serving(service(database)) as server:
        await follow(server)
    writer.execute("insert into entry values (1)")
    writer.execute("alter system set max_slot_wal_keep_size = '1MB'")
    writer.execute("select pg_reload_conf()")
    try:
        for _ in range(4):
            writer.execute("select pg_logical_emit_message(false, 'fill', repeat('x', 1000))")
            writer.execute("select pg_switch_wal()")
        writer.execute("checkpoint")
        status = writer.execute(
            "select wal_status from pg_replication_slots where database = current_database()"
        ).fetchone()
        assert status == ("lost",)
        async with serving(service(database)) as server:
            client = await follow(server)
            writer.execute("insert into entry values (2)")
            assert await ids(client, 1) == [2]
    finally:
        writer.execute("alter system reset max_slot_wal_keep_size")
        writer.execute("select pg_reload_conf()")


async def test_the_lag_is_told(database: Database, writer: psycopg.Connection[Any]) -> None:
    async with serving(service(database)) as server:
        url = f"{server.http_url}/api/tenants/any/health"
        assert "replication_lag_bytes" not in await health(url)
        await follow(server)
        told = await health(url)
        assert told["replication_connected"] is True
        assert told["replication_lag_bytes"] >= 0
        assert told["wal_status"] == "reserved"


async def health(url: str) -> Any:
    answer = await asyncio.to_thread(urllib.request.urlopen, url)
    return json.load(answer)["data"]
