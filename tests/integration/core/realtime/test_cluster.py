"""Two core processes over one database: what is said in one is heard in both."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gavan.core.realtime.app import Service, build
from gavan.core.realtime.cluster import bus as bus_module
from gavan.core.realtime.cluster import cluster as cluster_module
from gavan.core.realtime.limits import Limits
from tests.conftest import Database
from tests.integration.core.realtime import wire
from tests.integration.core.realtime.conftest import serving, settings_of
from tests.integration.core.realtime.wire import RawClient, Server, token

TOPIC = "realtime:room"
PRESENCE = {"presence": {"enabled": True, "key": "k"}}
SCHEMA = """
create table public.note (id int primary key, owner uuid not null, title text);
alter table public.note enable row level security;
create policy own on public.note using (owner = auth.uid());
alter publication supabase_realtime add table public.note;
"""
ANN = "11111111-1111-4111-8111-111111111111"
BOB = "22222222-2222-4222-8222-222222222222"
NOTE: dict[str, object] = {"event": "*", "schema": "public", "table": "note"}

Pair = tuple[tuple[Service, Server], tuple[Service, Server]]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(wire.DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - two processes offer no common event
            await asyncio.sleep(0.01)


@pytest.fixture
async def pair(database: Database) -> AsyncIterator[Pair]:
    settings = settings_of(database)
    first, second = build(settings), build(settings)
    async with serving(first) as one, serving(second) as two:
        yield (first, one), (second, two)


async def met(pair: Pair) -> None:
    """Wait until both know of each other."""
    for service, _ in pair:
        service.hub.cluster.start()
    await until(lambda: all(service.hub.cluster.processes == 2 for service, _ in pair))


async def joined(server: Server, config: Any = None, vsn: str = "2.0.0") -> RawClient:
    client = await server.client(vsn)
    assert (await client.join(TOPIC, config))["status"] == "ok"
    return client


async def test_broadcasts_cross_processes_in_every_form(pair: Pair) -> None:
    (_, one), (_, two) = pair
    await met(pair)
    speaker, hearer = await joined(one), await joined(two)
    old = await joined(two, vsn="1.0.0")
    await speaker.send(TOPIC, "broadcast", {"event": "text", "payload": "x" * 30_000})
    await speaker.push_binary(TOPIC, "json", json.dumps({"имя": "ж" * 9_000}).encode())
    await speaker.push_binary(TOPIC, "raw", b"\x00\xff", encoding=0)
    for client, raw in ((hearer, True), (old, False)):
        got = await client.expect("broadcast")
        assert got.payload == {"event": "text", "payload": "x" * 30_000}
        got = await client.expect("broadcast")
        assert (got.payload["event"], got.payload["payload"]) == ("json", {"имя": "ж" * 9_000})
        if raw:
            assert (await client.expect("broadcast")).payload["payload"] == b"\x00\xff"
        assert await client.is_quiet()
    assert await speaker.is_quiet()


async def test_a_broadcast_by_http_is_heard_in_a_process_that_has_sockets(pair: Pair) -> None:
    (_, one), (second, two) = pair
    hearer = await joined(two)
    # What is said before it listens is not for it.
    await until(lambda: second.hub.cluster._said_hello_at is not None)
    message = {"topic": "room", "event": "e", "payload": {"n": 1}}
    request = urllib.request.Request(
        f"{one.http_url}/api/broadcast",
        json.dumps({"messages": [message]}).encode(),
        {"Authorization": f"Bearer {wire.SERVICE}", "Content-Type": "application/json"},
    )
    assert (await asyncio.to_thread(urllib.request.urlopen, request)).status == 202
    assert (await hearer.expect("broadcast")).payload["payload"] == {"n": 1}


async def test_presence_is_one_for_all_and_goes_with_its_process(pair: Pair) -> None:
    (first, one), (_, two) = pair
    await met(pair)
    ann, bob = await joined(one, PRESENCE), await joined(two, PRESENCE)
    assert (await bob.expect("presence_state")).payload == {}
    await ann.send(TOPIC, "presence", {"event": "track", "payload": {"at": 1}})
    diff = (await bob.expect("presence_diff")).payload
    assert diff["joins"]["k"]["metas"][0]["at"] == 1
    await ann.send(TOPIC, "presence", {"event": "track", "payload": {"at": 2}})
    again = (await bob.expect("presence_diff")).payload
    assert again["leaves"] == diff["joins"]
    late = await joined(two, PRESENCE)
    assert (await late.expect("presence_state")).payload == again["joins"]
    cluster = first.hub.cluster
    greeted = cluster._said_hello_at
    cluster._bus._line._break()  # type: ignore[union-attr]
    await until(lambda: cluster._said_hello_at != greeted and cluster.processes == 2)
    assert await late.is_quiet(), "a line that broke and came back changes nothing"
    await ann.socket.close()
    assert (await late.expect("presence_diff")).payload["leaves"] == again["joins"]


async def test_a_process_that_ends_takes_its_presence_along(database: Database) -> None:
    settings = settings_of(database)
    async with serving(build(settings)) as stays:
        async with serving(build(settings)) as goes:
            ann, bob = await joined(goes, PRESENCE), await joined(stays, PRESENCE)
            await ann.send(TOPIC, "presence", {"event": "track", "payload": {"at": 1}})
            state = (await bob.expect("presence_state")).payload
            if not state:
                state = (await bob.expect("presence_diff")).payload["joins"]
            assert state["k"]["metas"][0]["at"] == 1
        assert (await bob.expect("presence_diff")).payload["leaves"] == state


async def follow(server: Server, user: str, wanted: dict[str, object] = NOTE) -> RawClient:
    client = await server.client()
    config = {"postgres_changes": [wanted]}
    assert (await client.join(TOPIC, config, access_token=token(sub=user)))["status"] == "ok"
    system = await client.expect("system")
    assert (system.payload["status"], system.payload["message"]) == (
        "ok",
        "Subscribed to PostgreSQL",
    )
    return client


async def test_one_process_reads_the_database_and_each_judges_for_its_own(
    pair: Pair, database: Database
) -> None:
    (_, one), (_, two) = pair
    with database.connect() as writer:
        writer.execute(SCHEMA.encode())
        ann, bob = await follow(one, ANN), await follow(two, BOB)
        slots = writer.execute(
            "select count(*) from pg_replication_slots where database = current_database()"
        ).fetchone()
        assert slots == (1,), "the database is read once"
        for number in range(100):
            owner = (ANN, BOB)[number % 2]
            writer.execute("insert into note values (%s, %s, %s)", (number, owner, "ж" * 5_000))
        for client, rest in ((ann, 0), (bob, 1)):
            ids: list[int] = []
            while len(ids) < 50:
                got = await client.expect("postgres_changes")
                ids.append(got.payload["data"]["record"]["id"])
            assert ids == [number for number in range(100) if number % 2 == rest]
            assert await client.is_quiet()


async def test_another_process_reads_on_when_the_reader_is_gone(
    database: Database,
) -> None:
    settings = settings_of(database)
    with database.connect() as writer:
        writer.execute(SCHEMA.encode())
        async with serving(build(settings)) as stays:
            async with serving(build(settings)) as goes:
                await follow(goes, ANN)
                bob = await follow(stays, BOB)
                writer.execute("insert into note values (1, %s, 'before')", (BOB,))
                assert (await bob.expect("postgres_changes")).payload["data"]["record"]["id"] == 1
            system = await bob.expect("system")
            assert system.payload["message"] == "Subscribed to PostgreSQL"
            writer.execute("insert into note values (2, %s, 'after')", (BOB,))
            assert (await bob.expect("postgres_changes")).payload["data"]["record"]["id"] == 2


async def test_the_database_speaks_once_to_members_of_both(pair: Pair, database: Database) -> None:
    (_, one), (_, two) = pair
    ready = {"broadcast": {"replication_ready": True}}
    ann, bob = await joined(one, ready), await joined(two, ready)
    await ann.expect("system")
    await bob.expect("system")
    with database.connect() as writer:
        writer.execute("select realtime.send('{\"n\": 1}', 'e', 'room', false)")
    for client in (ann, bob):
        assert (await client.expect("broadcast")).payload["payload"]["n"] == 1
        assert await client.is_quiet()


async def test_a_process_that_is_alone_says_nothing(database: Database) -> None:
    service = build(settings_of(database))
    async with serving(service) as server:
        speaker, hearer = await joined(server), await joined(server)
        cluster = service.hub.cluster
        await until(lambda: cluster.is_alone and cluster.feed._flows)
        said = service.hub.cluster._bus._numbers
        for number in range(5):
            await speaker.send(TOPIC, "broadcast", {"event": "e", "payload": number})
            await hearer.expect("broadcast")
        assert service.hub.cluster._bus._numbers == said


async def test_others_who_may_log_in_hear_nothing(pair: Pair, database: Database) -> None:
    await met(pair)
    (_, one), (_, two) = pair
    speaker, hearer = await joined(one), await joined(two)
    with database.connect("authenticator") as stranger:
        stranger.execute("listen gavan_realtime")
        seen = stranger.execute(
            "select query from pg_stat_activity where application_name = 'gavan realtime cluster'"
        ).fetchall()
        assert all(query == "<insufficient privilege>" for (query,) in seen)
        await speaker.send(TOPIC, "broadcast", {"event": "e", "payload": "secret"})
        await hearer.expect("broadcast")
        assert list(stranger.notifies(timeout=0.1)) == []


async def test_a_process_that_dies_without_a_word_takes_its_presence_along(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cluster_module.BEAT_S + cluster_module.SILENT_S < 30, "as the reference page promises"
    monkeypatch.setattr(cluster_module, "BEAT_S", 0.05)
    (dying, one), (stays, two) = pair
    await met(pair)
    ann, bob = await joined(one, PRESENCE), await joined(two, PRESENCE)
    await ann.send(TOPIC, "presence", {"event": "track", "payload": {"at": 1}})
    joins = (await bob.expect("presence_diff")).payload["joins"]
    await fall_silent(dying)
    # Not before: a beat may come late on a machine that does much else.
    monkeypatch.setattr(cluster_module, "SILENT_S", 0.5)
    assert (await bob.expect("presence_diff")).payload["leaves"] == joins
    assert stays.hub.cluster.processes == 1


async def fall_silent(service: Service) -> None:
    """End the line of a process and whatever it would still say, as kill -9 does."""
    cluster = service.hub.cluster
    for task in (cluster._pulse, cluster.feed._task, cluster._bus._task):
        assert task is not None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_process_that_comes_later_does_not_have_everybody_fetch_anew(
    pair: Pair, database: Database
) -> None:
    (_, one), (second, two) = pair
    with database.connect() as writer:
        writer.execute(SCHEMA.encode())
        ann, bob = await follow(one, ANN), await follow(two, BOB)
        async with serving(build(settings_of(database))) as three:
            eve = await follow(three, ANN)
            await until(lambda: second.hub.cluster.processes == 3)
            writer.execute("insert into note values (1, %s, 'a'), (2, %s, 'b')", (ANN, BOB))
            for client, number in ((ann, 1), (eve, 1), (bob, 2)):
                got = await client.receive()
                assert got.event == "postgres_changes", "nothing was lost, nothing to fetch"
                assert got.payload["data"]["record"]["id"] == number


async def test_a_table_published_later_is_followed_in_every_process(
    pair: Pair, database: Database
) -> None:
    (_, one), (_, two) = pair
    wide: dict[str, object] = {"event": "*", "schema": "public", "table": "*"}
    with database.connect() as writer:
        writer.execute(SCHEMA.encode())
        clients = [await follow(server, ANN, wide) for server in (one, two)]
        for number in range(5):
            with writer.transaction():
                writer.execute(f"create table late{number} (id int primary key)".encode())
                writer.execute(
                    f"alter publication supabase_realtime add table late{number}".encode()
                )
            writer.execute(f"insert into late{number} values ({number})".encode())
            for client in clients:
                data = (await client.expect("postgres_changes")).payload["data"]
                assert (data["table"], data["record"]) == (f"late{number}", {"id": number})


async def test_of_a_huge_transaction_no_more_crosses_than_is_told(
    database: Database,
) -> None:
    settings, limits = settings_of(database), Limits(changes_per_transaction=10)
    first, second = build(settings, limits=limits), build(settings, limits=limits)
    with database.connect() as writer:
        writer.execute(SCHEMA.encode())
        async with serving(first) as one, serving(second) as two:
            clients = [await follow(server, BOB) for server in (one, two)]
            said = first.hub.cluster._bus._numbers + second.hub.cluster._bus._numbers
            writer.execute(
                "insert into note select n, %s, 'x' from generate_series(1, 2000) as n", (BOB,)
            )
            for client in clients:
                for number in range(1, 11):
                    got = await client.receive()
                    assert got.payload["data"]["record"]["id"] == number
                assert (await client.receive()).payload["message"] == "Subscribed to PostgreSQL"
            writer.execute("insert into note values (0, %s, 'next')", (BOB,))
            for client in clients:
                assert (await client.receive()).payload["data"]["record"]["id"] == 0
            now = first.hub.cluster._bus._numbers + second.hub.cluster._bus._numbers
            assert now - said < 100


async def test_presence_is_made_equal_after_more_was_said_than_could_be_sent(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first, one), (_, two) = pair
    await met(pair)
    ann, bob = await joined(one, PRESENCE), await joined(two, PRESENCE)
    assert (await bob.expect("presence_state")).payload == {}
    monkeypatch.setattr(bus_module, "WAITING_BYTES", 1000)
    bus = first.hub.cluster._bus
    assert bus._line is not None
    async with bus._line._guard:  # the database takes nothing for a while
        for _ in range(3):
            bus.say({"k": "beat", "text": "x" * 1000})
        await ann.send(TOPIC, "presence", {"event": "track", "payload": {"at": 1}})
        joins = (await ann.expect("presence_diff")).payload["joins"]
    assert (await bob.expect("presence_diff")).payload["joins"] == joins


async def test_a_process_that_could_not_ask_the_database_has_its_clients_fetch_anew(
    pair: Pair, database: Database
) -> None:
    (_, one), (second, two) = pair
    with database.connect("supabase_admin") as writer:
        writer.execute(SCHEMA.encode())
        ann, bob = await follow(one, ANN), await follow(two, BOB)
        asking = second.hub.changes._visibility._connection._connection
        assert asking is not None
        writer.execute("select pg_terminate_backend(%s, 10000)", (asking.info.backend_pid,))
        writer.execute("insert into note values (1, %s, 'lost'), (2, %s, 'heard')", (BOB, ANN))
        assert (await ann.expect("postgres_changes")).payload["data"]["record"]["id"] == 2
        got = await bob.receive()
        assert got.payload["message"] == "Subscribed to PostgreSQL"
        writer.execute("insert into note values (3, %s, 'heard')", (BOB,))
        assert (await bob.expect("postgres_changes")).payload["data"]["record"]["id"] == 3


async def test_a_process_that_rests_says_nothing_of_changes_until_they_flow_again(
    database: Database,
) -> None:
    settings = settings_of(database)
    first, second = build(settings), build(settings, limits=Limits(stream_idle_s=0.05))
    with database.connect() as writer:
        writer.execute(SCHEMA.encode())
        async with serving(first) as one, serving(second) as two:
            await follow(one, ANN)
            bob = await follow(two, BOB)
            await bob.socket.close()
            await until(lambda: not second.hub.changes.is_streaming)
            bob = await follow(two, BOB)
            assert second.hub.changes.is_streaming
            writer.execute("insert into note values (1, %s, 'heard')", (BOB,))
            got = await bob.receive()
            assert got.payload["data"]["record"]["id"] == 1
