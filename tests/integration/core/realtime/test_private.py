"""Private channels: the policies of realtime.messages decide who joins, hears and speaks."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from asyncio import to_thread
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest

from gavan.core.realtime.app import build
from gavan.kit.keyset import shared_set
from gavan.kit.secret import Secret
from tests.conftest import Database
from tests.integration.core.realtime import wire
from tests.integration.core.realtime.conftest import serving, settings_of
from tests.integration.core.realtime.wire import RawClient, Server, token
from tests.servers import wait_until

TOPIC = "realtime:team"
PRIVATE: dict[str, object] = {"private": True, "broadcast": {"ack": True}}
ANN = "11111111-1111-4111-8111-111111111111"
BOB = "22222222-2222-4222-8222-222222222222"
EVE = "33333333-3333-4333-8333-333333333333"
# Ann reads and writes, Bob reads only, Eve does neither.
POLICIES = f"""
create policy team_reads on realtime.messages for select to authenticated
    using (realtime.topic() = 'team' and extension in ('broadcast', 'presence')
        and auth.uid() in ('{ANN}', '{BOB}'));
create policy team_writes on realtime.messages for insert to authenticated
    with check (realtime.topic() = 'team' and auth.uid() = '{ANN}');
"""


@pytest.fixture
def admin(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with database.connect("supabase_admin") as connection:
        connection.execute(POLICIES.encode())
        yield connection


@pytest.fixture
async def server(database: Database, admin: psycopg.Connection[Any]) -> AsyncIterator[Server]:
    async with serving(build(settings_of(database))) as running:
        yield running


async def member(server: Server, user: str, **config: object) -> tuple[RawClient, Any]:
    client = await server.client()
    reply = await client.join(TOPIC, {**PRIVATE, **config}, access_token=token(sub=user))
    return client, reply


async def test_a_reader_joins_and_a_stranger_does_not(server: Server) -> None:
    _, reply = await member(server, BOB)
    assert reply["status"] == "ok"
    _, reply = await member(server, EVE)
    assert reply["response"]["reason"] == (
        "Unauthorized: You do not have permissions to read from this Channel topic: team"
    )


async def test_a_writer_is_heard_and_a_reader_is_passed_over_in_silence(server: Server) -> None:
    ann, _ = await member(server, ANN)
    bob, _ = await member(server, BOB)
    await bob.send(TOPIC, "broadcast", {"event": "no"})
    assert await bob.is_quiet()
    ref = await ann.send(TOPIC, "broadcast", {"event": "yes"})
    assert (await ann.reply_to(ref))["status"] == "ok"
    assert (await bob.expect("broadcast")).payload == {"event": "yes"}


async def test_a_private_room_and_a_public_one_of_its_name_never_meet(server: Server) -> None:
    ann, _ = await member(server, ANN)
    public = await server.client()
    await public.join(TOPIC)
    ref = await ann.send(TOPIC, "broadcast", {"event": "secret"})
    await ann.reply_to(ref)
    assert await public.is_quiet()


async def test_presence_is_written_by_those_who_may(server: Server) -> None:
    presence = {"presence": {"enabled": True, "key": "k"}}
    ann, _ = await member(server, ANN, **presence)
    bob, _ = await member(server, BOB, **presence)
    await bob.expect("presence_state")
    ref = await bob.send(TOPIC, "presence", {"event": "track", "payload": {}})
    assert await bob.reply_to(ref) == {"status": "error", "response": {}}
    await ann.send(TOPIC, "presence", {"event": "track", "payload": {"n": 1}})
    diff = await bob.expect("presence_diff")
    assert diff.payload["joins"]["k"]["metas"][0]["n"] == 1


async def test_a_token_that_may_no_longer_read_closes_the_channel(server: Server) -> None:
    client, _ = await member(server, ANN)
    await client.send(TOPIC, "access_token", {"access_token": token(sub=EVE)})
    system = await client.expect("system")
    assert system.payload["message"] == (
        "You no longer have permission to read from this Channel topic: team"
    )
    assert (await client.expect("phx_close")).ref == "1"


async def test_the_probes_leave_no_rows(server: Server, admin: psycopg.Connection[Any]) -> None:
    ann, _ = await member(server, ANN)
    ref = await ann.send(TOPIC, "broadcast", {})
    await ann.reply_to(ref)
    assert admin.execute("select count(*) from realtime.messages").fetchone() == (0,)


async def test_a_broken_policy_refuses_the_join_and_says_so(
    server: Server, admin: psycopg.Connection[Any]
) -> None:
    admin.execute("create policy broken on realtime.messages using (1 / 0 = 1)")
    _, reply = await member(server, ANN)
    assert reply["response"]["reason"].startswith("RlsPolicyError: ")


async def test_the_database_speaks_to_a_private_room(
    server: Server, admin: psycopg.Connection[Any]
) -> None:
    client = await server.client("1.0.0")
    reply = await client.join(
        TOPIC,
        {"private": True, "postgres_changes": [{"table": "absent"}]},
        access_token=token(sub=BOB),
    )
    assert reply["status"] == "ok"
    await client.expect("system")  # the stream runs
    admin.execute("select realtime.send('{\"x\": 1}', 'news', 'team')")
    got = await client.expect("broadcast")
    assert (got.payload["event"], got.payload["payload"]["x"]) == ("news", 1)
    assert got.payload["meta"]["id"] == got.payload["payload"]["id"]


@pytest.mark.parametrize(("user", "status"), [(ANN, 202), (BOB, 403)])
async def test_a_private_message_over_http_needs_the_right_to_write(
    server: Server, user: str, status: int
) -> None:
    bob, _ = await member(server, BOB)
    path = "/api/broadcast/team/events/news?private=true"
    assert await to_thread(_post, server, path, {"x": 1}, user) == status
    batch = {"messages": [{"topic": "team", "event": "b", "payload": {}, "private": True}]}
    assert await to_thread(_post, server, "/api/broadcast", batch, user) == 202
    if status == 202:
        assert (await bob.expect("broadcast")).payload["event"] == "news"
        assert (await bob.expect("broadcast")).payload["event"] == "b"
    assert await bob.is_quiet()


def _post(server: Server, path: str, body: object, user: str) -> int:
    headers = {
        "content-type": "application/json",
        "authorization": f"Bearer {token(sub=user)}",
    }
    data = json.dumps(body).encode()
    request = urllib.request.Request(server.http_url + path, data=data, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=wire.DEADLINE_S) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


async def test_the_partition_of_today_is_made_when_the_service_starts(
    database: Database,
) -> None:
    with database.connect("supabase_admin") as admin:
        admin.execute(
            "do $$ declare part text; begin for part in select inhrelid::regclass from pg_inherits"
            " where inhparent = 'realtime.messages'::regclass loop"
            " execute 'drop table ' || part; end loop; end $$"
        )
        count = "select count(*) from pg_inherits where inhparent = 'realtime.messages'::regclass"
        async with serving(build(settings_of(database))):
            await to_thread(wait_until, lambda: admin.execute(count.encode()).fetchone() == (5,))


async def test_without_a_database_a_private_join_says_so(database: Database) -> None:
    nowhere = Secret("postgresql://nobody@127.0.0.1:1/none")
    settings = database.settings(
        keys=shared_set(wire.SECRET),
        anon_key=Secret(wire.ANON),
        service_role_key=Secret(wire.SERVICE),
        realtime_admin_url=nowhere,
        admin_url=nowhere,
    )
    async with serving(build(settings)) as server:
        _, reply = await member(server, ANN)
        assert reply["response"]["reason"].startswith("UnableToConnectToProject: ")
