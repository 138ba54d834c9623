"""A published table whose rows Postgres lets nobody change: its followers and the log are told."""

from __future__ import annotations

import psycopg
import pytest

from gavan.core.realtime.app import build
from tests.conftest import Database
from tests.integration.core.realtime.conftest import serving, settings_of
from tests.integration.core.realtime.following import ANN, BOB, change, follow, table
from tests.integration.core.realtime.wire import RawClient

PARTS = "create table t_a partition of t for values in (1);"
SHAPES = {
    "a primary key": "create table t (id int primary key, n int)",
    "no key": "create table t (id int, n int)",
    "no key, but the whole row": "create table t (id int, n int);"
    "alter table t replica identity full",
    "a key, but nothing": "create table t (id int primary key, n int);"
    "alter table t replica identity nothing",
    "a key that is checked late": "create table t (id int primary key deferrable, n int)",
    "an index": "create table t (id int not null unique, n int);"
    "alter table t replica identity using index t_id_key",
    "an index that is gone": "create table t (id int not null unique, n int);"
    "alter table t replica identity using index t_id_key; alter table t drop constraint t_id_key",
    "a unique index that nobody named": "create table t (id int not null unique, n int)",
    "partitions with key": "create table t (id int primary key, n int) partition by list (id);"
    + PARTS,
    "partitions without": "create table t (id int, n int) partition by list (id);" + PARTS,
    "partitions of their own mind": "create table t (id int primary key, n int)"
    f" partition by list (id); {PARTS} alter table t_a replica identity nothing",
    "only what is new is published": "create table t (id int, n int);"
    "alter publication supabase_realtime set (publish = 'insert')",
}


def is_refused(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    """Say whether Postgres refuses to change a row."""
    connection.execute("insert into t values (1, 1)")
    try:
        connection.execute("update t set n = 2")
    except psycopg.errors.ObjectNotInPrerequisiteState:
        return True
    return False


async def warnings(client: RawClient) -> list[str]:
    """Return what a client is told about identities up to now."""
    ref = await client.send("phoenix", "heartbeat", {})
    told = []
    while (got := await client.receive()).ref != ref:
        if got.event == "system" and got.payload["extension"] == "replica_identity":
            assert got.payload["status"] == "ok", "an error would make clients leave"
            told.append(got.payload["message"])
    return told


@pytest.mark.parametrize("shape", SHAPES)
async def test_followers_are_warned_of_exactly_what_postgres_refuses(
    database: Database, shape: str, caplog: pytest.LogCaptureFixture
) -> None:
    with database.connect() as writer:
        writer.execute(SHAPES[shape].encode())
        writer.execute("alter publication supabase_realtime add table t")
        refused = is_refused(writer)
    async with serving(build(settings_of(database))) as server:
        for user in (ANN, BOB):
            client = await server.client()
            await follow(client, table("*"), user=user)
            told = await warnings(client)
            assert len(told) == refused
            assert all(one.startswith('UPDATE and DELETE of "public"."t') for one in told)
    lines = [line for line in caplog.records if line.getMessage() == "table_not_writable"]
    assert len(lines) == refused, "the log has it once, however many follow"


async def test_whoever_joins_after_it_is_mended_is_not_warned(database: Database) -> None:
    with database.connect() as writer:
        writer.execute("create table note (id int); create table fine (id int primary key);")
        writer.execute("alter publication supabase_realtime add table note, fine")
        async with serving(build(settings_of(database))) as server:
            ann, bob, other = [await server.client() for _ in range(3)]
            await follow(ann, table("note"), user=ANN)
            assert len(await warnings(ann)) == 1
            await follow(other, table("fine"), user=BOB)
            assert await warnings(other) == []
            writer.execute("alter table note add primary key (id)")
            await follow(bob, table("note"), user=BOB)
            assert await warnings(bob) == []
            writer.execute("insert into note values (1)")
            writer.execute("update note set id = 2")
            for client in (ann, bob):
                changes = [await change(client) for _ in range(2)]
                assert [one["type"] for one in changes] == ["INSERT", "UPDATE"]
