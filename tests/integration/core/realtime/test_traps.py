"""Limits and traps of the protocol that no other file has: rates, joins in flight, odd payloads."""

from __future__ import annotations

import json

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from gavan.core.realtime.app import Service, build
from gavan.core.realtime.limits import BUCKET_S, Limits, Rate
from gavan.core.settings import Settings
from tests.integration.core.realtime.conftest import serving
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
    async with serving(build(settings, limits=Limits(join_error_pause_s=0.4))) as server:
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
    async with serving(build(settings, limits=Limits(no_channel_s=0.1, idle_s=1))) as server:
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


async def test_a_service_that_ends_takes_no_joins(settings: Settings) -> None:
    service: Service = build(settings)
    async with serving(service) as server:
        client = await server.client()
        service.hub.stopping = True
        reply = await client.join(TOPIC)
        reason = "RealtimeRestarting: Realtime is restarting, please standby"
        assert reply["response"] == {"reason": reason}
