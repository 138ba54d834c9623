"""Stored broadcasts for a client that comes late, and the word that the stream runs."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from gavan.core.realtime.app import build
from gavan.core.realtime.limits import Limits
from gavan.kit.secret import Secret
from tests.conftest import Database
from tests.integration.core.realtime.conftest import serving, settings_of
from tests.integration.core.realtime.wire import RawClient, Server, token

TOPIC = "realtime:team"
READS = """
create policy team_reads on realtime.messages for select to authenticated
    using (realtime.topic() = 'team' and extension in ('broadcast', 'presence'));
"""
STORE = """
insert into realtime.messages (topic, extension, event, payload, private, inserted_at)
select 'team', 'broadcast', 'e' || n, jsonb_build_object('n', n), true,
    (now() at time zone 'utc') - make_interval(mins => 31 - n)
from generate_series(1, 30) as n
"""


@pytest.fixture
def admin(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with database.connect("supabase_admin") as connection:
        connection.execute(READS.encode())
        yield connection


@pytest.fixture
async def server(database: Database, admin: psycopg.Connection[Any]) -> AsyncIterator[Server]:
    async with serving(build(settings_of(database))) as running:
        yield running


async def joined(
    server: Server, replay: object, vsn: str = "2.0.0", **config: Any
) -> tuple[RawClient, Any]:
    client = await server.client(vsn)
    wanted = {
        "private": True,
        **config,
        "broadcast": {"replay": replay, **config.get("broadcast", {})},
    }
    return client, await client.join(TOPIC, wanted, access_token=token())


def ago_ms(seconds: float) -> int:
    return int((time.time() - seconds) * 1000)


@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
async def test_the_newest_messages_come_oldest_first_before_the_presence(
    server: Server, admin: psycopg.Connection[Any], vsn: str
) -> None:
    admin.execute(STORE.encode())
    client, reply = await joined(
        server, {"since": ago_ms(3600), "limit": 3}, vsn, presence={"enabled": True}
    )
    assert reply["status"] == "ok"
    got = [await client.receive() for _ in range(3)]
    assert [one.payload["event"] for one in got] == ["e28", "e29", "e30"]
    assert [one.payload["payload"] for one in got] == [{"n": 28}, {"n": 29}, {"n": 30}]
    assert all(one.payload["meta"]["replayed"] is True for one in got)
    assert (await client.receive()).event == "presence_state"


async def test_since_and_the_most_of_25_bound_what_comes(
    server: Server, admin: psycopg.Connection[Any]
) -> None:
    admin.execute(STORE.encode())
    admin.execute("update realtime.messages set private = false where event = 'e30'")
    client, _ = await joined(server, {"since": ago_ms(3600), "limit": 100})
    events = [(await client.receive()).payload["event"] for _ in range(25)]
    assert events == [f"e{number}" for number in range(5, 30)]
    assert await client.is_quiet()
    recent, _ = await joined(server, {"since": ago_ms(3.5 * 60)})
    assert (await recent.receive()).payload["event"] == "e28"
    assert (await recent.receive()).payload["event"] == "e29"
    assert await recent.is_quiet()


async def test_a_binary_message_is_for_version_2_only(
    server: Server, admin: psycopg.Connection[Any]
) -> None:
    admin.execute("select realtime.send_binary('\\x00ff'::bytea, 'raw', 'team')")
    new, _ = await joined(server, {"since": ago_ms(60)})
    assert (await new.receive()).payload["payload"] == b"\x00\xff"
    old, _ = await joined(server, {"since": ago_ms(60)}, "1.0.0")
    assert await old.is_quiet()


async def test_what_was_replayed_does_not_come_again(
    server: Server, admin: psycopg.Connection[Any]
) -> None:
    first, _ = await joined(server, {"since": ago_ms(60)}, broadcast={"replication_ready": True})
    await first.expect("system")
    for number in range(20):
        admin.execute(
            "select realtime.send(jsonb_build_object('n', %s::int), 'e', 'team')", [number]
        )
        late, reply = await joined(server, {"since": ago_ms(60), "limit": 25})
        assert reply["status"] == "ok"
        seen: list[int] = []
        while len(seen) <= number:
            seen.append((await late.expect("broadcast")).payload["payload"]["n"])
        assert seen == list(range(number + 1))
        assert await late.is_quiet()
        await late.socket.close()


@pytest.mark.parametrize(
    "replay",
    [{}, {"since": "now"}, {"since": True}, {"since": 1, "limit": "x"}, {"since": 10**18}],
)
async def test_what_is_no_time_is_refused(server: Server, replay: object) -> None:
    _, reply = await joined(server, replay)
    reason = "UnableToReplayMessages: Replay params are not valid"
    assert reply == {"status": "error", "response": {"reason": reason}}


async def test_a_channel_hears_that_the_stream_runs(server: Server) -> None:
    client = await server.client()
    await client.join("realtime:any", {"broadcast": {"replication_ready": True}})
    got = await client.expect("system")
    assert got.payload == {
        "extension": "system",
        "status": "ok",
        "message": "Replication connection established",
        "channel": "any",
    }


async def test_a_channel_that_waits_in_vain_for_the_stream_is_closed(database: Database) -> None:
    url = Secret("postgresql://nobody@127.0.0.1:1/none")
    nowhere = replace(settings_of(database), admin_url=url)
    async with serving(build(nowhere, limits=Limits(ready_s=0.1))) as server:
        client = await server.client()
        await client.join("realtime:any", {"broadcast": {"replication_ready": True}})
        got = await client.expect("system")
        assert got.payload["status"] == "error"
        assert got.payload["message"] == "Replication connection was not established in time"
        await client.expect("phx_close")
