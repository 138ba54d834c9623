"""Limits and traps of the protocol that no other file has: rates, joins in flight, odd payloads."""

from __future__ import annotations

import asyncio
import json
import random

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from gavan.core.frame_socket import FrameSocket
from gavan.core.realtime.app import Service, build
from gavan.core.realtime.limits import BUCKET_S, Limits, Rate
from gavan.core.settings import Settings
from tests.conftest import Database
from tests.integration.core.realtime.conftest import serving, settings_of
from tests.integration.core.realtime.wire import SERVICE, RawClient, Server, token

TOPIC = "realtime:room"


class Clock:
    """Time that moves when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


async def closed_with(client: RawClient) -> int:
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            await client.receive()
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code


async def test_of_two_joins_in_flight_the_later_wins(server: Server) -> None:
    client = await server.client()
    for ref in ("7", "8"):
        await client.socket.send(json.dumps([ref, ref, TOPIC, "phx_join", {}]))
    got = [await client.receive() for _ in range(2)]
    if got[0].event == "phx_reply":  # the first was done before the second came
        got = [got[1], await client.receive()]
    assert [(one.event, one.join_ref) for one in got] == [("phx_close", "7"), ("phx_reply", "8")]
    assert await client.is_quiet()


async def test_heartbeats_are_answered_while_a_join_waits(settings: Settings) -> None:
    async with serving(build(settings, limits=Limits(join_error_pause_s=1.5))) as server:
        client = await server.client()
        expired = {"access_token": token(expires_in_s=-9)}
        await client.socket.send(json.dumps(["1", "1", TOPIC, "phx_join", expired]))
        assert await client.is_quiet()
        assert (await client.expect("phx_reply", TOPIC)).payload["status"] == "error"


@pytest.mark.parametrize("payload", [[1, 2], "text", None, 7])
@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
async def test_a_payload_that_is_no_map_is_relayed_as_it_is(
    server: Server, payload: object, vsn: str
) -> None:
    alice, bob = await server.client(vsn), await server.client(vsn)
    await alice.join(TOPIC)
    await bob.join(TOPIC)
    await alice.send(TOPIC, "broadcast", payload)
    assert (await bob.expect("broadcast")).payload == payload


@pytest.mark.parametrize(
    ("rate", "event", "text"),
    [
        ("messages", "broadcast", "Too many messages per second"),
        ("presence_messages", "presence", "Too many presence messages per second"),
    ],
)
async def test_a_rate_that_is_exceeded_closes_the_channel_and_not_the_socket(
    settings: Settings, rate: str, event: str, text: str
) -> None:
    service, clock = build(settings), Clock()
    setattr(service.hub, rate, Rate(1, clock))
    async with serving(service) as server:
        client = await server.client()
        await client.join(TOPIC)
        getattr(service.hub, rate).add(100)
        clock.now += BUCKET_S
        await client.send(TOPIC, event, {"event": "track", "payload": {}})
        system = await client.expect("system")
        assert (system.payload["status"], system.payload["message"]) == ("error", text)
        assert (await client.receive()).event == "phx_close"
        assert await client.is_quiet()


async def test_a_rate_that_is_exceeded_is_429_over_http(settings: Settings) -> None:
    service, clock = build(settings), Clock()
    service.hub.messages = Rate(1, clock)
    async with serving(service) as server, httpx.AsyncClient(base_url=server.http_url) as http:
        service.hub.messages.add(100)
        clock.now += BUCKET_S
        answer = await http.post(
            "/api/broadcast",
            headers={"authorization": f"Bearer {SERVICE}"},
            json={"messages": [{"topic": "room", "event": "e", "payload": {}}]},
        )
        assert answer.status_code == 429


async def test_a_flood_into_one_channel_loses_the_channel_alone(settings: Settings) -> None:
    async with serving(build(settings, limits=Limits(inbox_messages=5))) as server:
        client = await server.client()
        await client.join(TOPIC)
        frame = json.dumps(["1", "2", TOPIC, "broadcast", {}])
        # One write, so that the channel's task has no turn in between.
        head = bytes((0x81, 0x80 | len(frame), 0, 0, 0, 0))
        client.socket.transport.write((head + frame.encode()) * 20)
        assert (await client.expect("system")).payload["message"] == "Too many messages per second"
        assert (await client.receive()).event == "phx_close"


async def test_a_socket_without_a_channel_is_closed(settings: Settings) -> None:
    async with serving(build(settings, limits=Limits(no_channel_s=1, idle_s=6))) as server:
        lonely, joined = await server.client(), await server.client()
        await joined.join(TOPIC)
        assert await closed_with(lonely) == 1000
        assert await joined.is_quiet()


async def test_where_channels_are_private_a_public_one_is_refused(settings: Settings) -> None:
    async with serving(build(settings, limits=Limits(is_private_only=True))) as server:
        reply = await (await server.client()).join(TOPIC)
        reason = "PrivateOnly: This project only allows private channels"
        assert reply == {"status": "error", "response": {"reason": reason}}


async def test_a_server_that_ends_says_so_before_its_services_end(settings: Settings) -> None:
    service = build(settings)
    async with serving(service) as server:
        client = await server.client()
        await client.join(TOPIC)
        for socket in tuple(service._sockets):
            socket._wire.shutdown()  # as uvicorn does before it ends the lifespan
        assert await closed_with(client) == 1012


async def test_a_server_that_ends_sends_its_clients_away_one_after_another(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FrameSocket, "restarts_per_s", 20.0)
    service = build(settings)
    async with serving(service) as server:
        clients = [await server.client() for _ in range(20)]
        for client in clients:
            await client.join(TOPIC)
        for socket in tuple(service._sockets):
            socket._wire.shutdown()
        closings = [asyncio.create_task(closed_with(client)) for client in clients]
        _, later = await asyncio.wait(closings, return_when=asyncio.FIRST_COMPLETED)
        assert later, "they would all come back in one moment"
        assert await asyncio.gather(*closings) == [1012] * 20


async def test_a_socket_that_is_about_to_be_sent_away_takes_no_joins(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FrameSocket, "restarts_per_s", 1.0)
    monkeypatch.setattr(random, "uniform", lambda _, last: last)
    service = build(settings)
    async with serving(service) as server:
        client = await server.client()
        next(iter(service._sockets))._wire.shutdown()
        reply = await client.join(TOPIC)
        reason = "RealtimeRestarting: Realtime is restarting, please standby"
        assert reply["response"] == {"reason": reason}
        assert await closed_with(client) == 1012


async def test_a_client_that_gives_up_a_join_does_not_wait_for_it(database: Database) -> None:
    service = build(settings_of(database))
    private = {"config": {"private": True}, "access_token": token()}
    async with serving(service) as server:
        client = await server.client()
        with database.connect("supabase_admin") as admin, admin.transaction():
            admin.execute("lock realtime.messages")
            for ref in ("1", "2", "3"):
                await client.socket.send(json.dumps([ref, ref, TOPIC, "phx_join", private]))
                assert await client.is_quiet(), "heartbeats are answered though the join waits"
                await client.socket.send(json.dumps([ref, f"l{ref}", TOPIC, "phx_leave", {}]))
                got = [await client.receive() for _ in range(2)]
                assert [(one.event, one.ref) for one in got] == [
                    ("phx_reply", f"l{ref}"),
                    ("phx_close", ref),
                ]
        # The joins that were given up are never answered; the next one is.
        reply = await client.join(TOPIC, {"private": True}, access_token=token())
        assert reply["response"]["reason"].startswith("Unauthorized")
        assert await client.is_quiet()


async def test_without_a_partition_for_today_the_database_warns_and_private_joins_say_so(
    database: Database,
) -> None:
    with database.connect("supabase_admin") as admin:
        async with serving(build(settings_of(database))) as server:
            client = await server.client()
            await client.join(TOPIC, {"private": True}, access_token=token())  # it has started
            admin.execute(
                "do $$ declare part text; begin for part in select inhrelid::regclass"
                " from pg_inherits where inhparent = 'realtime.messages'::regclass loop"
                " execute 'drop table ' || part; end loop; end $$"
            )
            reply = await client.join(TOPIC, {"private": True}, access_token=token())
            assert reply["response"]["reason"].startswith("MissingPartition: ")
            notices: list[str] = []
            admin.add_notice_handler(lambda one: notices.append(one.message_primary or ""))
            admin.execute("select realtime.send('{}', 'e', 'room')")
            assert len(notices) == 1
            assert notices[0].startswith("ErrorSendingBroadcastMessage: no partition")


async def test_a_service_that_ends_takes_no_joins(settings: Settings) -> None:
    service: Service = build(settings)
    async with serving(service) as server:
        client = await server.client()
        service.hub.stopping = True
        reply = await client.join(TOPIC)
        reason = "RealtimeRestarting: Realtime is restarting, please standby"
        assert reply["response"] == {"reason": reason}
