"""Sockets, joins, broadcast and presence over real frames of both versions."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gavan.core.realtime.app import build
from gavan.core.realtime.limits import Limits
from gavan.core.settings import Settings
from gavan.kit.jwt import sign
from gavan.kit.secret import Secret
from tests.integration.core.realtime.conftest import serving
from tests.integration.core.realtime.wire import ANON, DEADLINE_S, Server, token

VERSIONS = pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
TOPIC = "realtime:room"
FORGED = sign(
    {"role": "anon", "exp": 4102444800}, Secret("another-secret-of-thirty-two-characters")
)


@VERSIONS
async def test_heartbeat_is_answered_with_an_object(server: Server, vsn: str) -> None:
    client = await server.client(vsn)
    ref = await client.send("phoenix", "heartbeat", {})
    assert await client.reply_to(ref) == {"status": "ok", "response": {}}


@VERSIONS
async def test_join_leave_and_join_again(server: Server, vsn: str) -> None:
    client = await server.client(vsn)
    reply = await client.join(TOPIC)
    assert reply == {"status": "ok", "response": {"postgres_changes": []}}
    ref = await client.send(TOPIC, "phx_leave", {}, join_ref="1")
    assert await client.reply_to(ref) == {"status": "ok", "response": {}}
    assert (await client.expect("phx_close")).ref == "1"
    assert (await client.join(TOPIC))["status"] == "ok"


async def test_the_socket_is_served_under_its_phoenix_path_too(server: Server) -> None:
    client = await server.client(path="/socket/websocket")
    assert (await client.join(TOPIC))["status"] == "ok"


async def test_without_vsn_the_socket_speaks_version_1(server: Server) -> None:
    async with connect(f"ws://127.0.0.1:{server.port}/websocket?apikey={ANON}") as socket:
        await socket.send(
            json.dumps({"topic": "phoenix", "event": "heartbeat", "payload": {}, "ref": None})
        )
        assert json.loads(await socket.recv())["ref"] is None


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("", 401, "API key is missing"),
        ("apikey=nonsense", 401, "The token provided is not a valid JWT"),
        (f"apikey={token(expires_in_s=-99)}", 401, "Token has expired"),
        (f"apikey={FORGED}", 401, "Failed to validate JWT signature"),
        (f"apikey={ANON}&vsn=3.0.0", 403, "Unsupported vsn: use 1.0.0 or 2.0.0"),
    ],
)
async def test_a_refused_upgrade_says_why(
    server: Server, query: str, status: int, message: str
) -> None:
    with pytest.raises(InvalidStatus) as caught:
        await connect(f"ws://127.0.0.1:{server.port}/websocket?{query}")
    assert caught.value.response.status_code == status
    assert json.loads(caught.value.response.body or b"") == {"error": message}


async def test_a_publishable_key_opens_a_socket_as_anon(server: Server) -> None:
    client = await server.client(key="sb_publishable_test")
    assert (await client.join(TOPIC))["status"] == "ok"


@VERSIONS
async def test_garbage_frames_are_dropped_and_the_socket_stays(server: Server, vsn: str) -> None:
    client = await server.client(vsn)
    for frame in ("{", "[]", "null", '"x"', "[1,2,3,4,5]", b"\x00", b"\x03\xff", b""):
        await client.socket.send(frame)
    assert await client.is_quiet()


async def test_events_of_an_unjoined_topic_are_refused(server: Server) -> None:
    client = await server.client()
    ref = await client.send(TOPIC, "broadcast", {})
    expected = {"status": "error", "response": {"reason": "unmatched topic"}}
    assert await client.reply_to(ref) == expected
    ref = await client.send("elsewhere", "phx_join", {})
    assert await client.reply_to(ref) == expected
    ref = await client.send(TOPIC, "phx_leave", {})
    assert await client.reply_to(ref) == {"status": "ok", "response": {}}


async def test_a_second_join_closes_the_first_with_its_own_ref(server: Server) -> None:
    client = await server.client()
    await client.join(TOPIC)
    await client.socket.send(json.dumps(["9", "9", TOPIC, "phx_join", {}]))
    close = await client.receive()
    assert (close.event, close.ref, close.join_ref) == ("phx_close", "1", "1")
    reply = await client.receive()
    assert (reply.event, reply.ref, reply.join_ref) == ("phx_reply", "9", "9")


async def test_a_topic_needs_a_name(server: Server) -> None:
    reply = await (await server.client()).join("realtime:")
    assert reply["response"]["reason"] == "TopicNameRequired: You must provide a topic name"


async def test_replay_is_refused_on_a_public_channel(server: Server) -> None:
    client = await server.client()
    reply = await client.join(TOPIC, {"broadcast": {"replay": {"since": 1}}})
    reason = "UnableToReplayMessages: Replay is not allowed for public channels"
    assert reply == {"status": "error", "response": {"reason": reason}}


async def test_changes_are_echoed_untouched_with_equal_ids_for_equal_params(server: Server) -> None:
    client = await server.client()
    entry = {"event": "insert", "schema": "public", "table": "t", "extra": [1]}
    reply = await client.join(TOPIC, {"postgres_changes": [entry, None, entry]})
    first, second = reply["response"]["postgres_changes"]
    assert first == second
    assert 1 <= first.pop("id") <= 2**27 + 1
    assert first == entry


@pytest.mark.parametrize(("sender", "reader"), [("1.0.0", "2.0.0"), ("2.0.0", "1.0.0")])
async def test_broadcast_reaches_the_others_as_it_was_sent(
    server: Server, sender: str, reader: str
) -> None:
    alice, bob = await server.client(sender), await server.client(reader)
    await alice.join(TOPIC)
    await bob.join(TOPIC)
    payload = {"type": "broadcast", "event": "cursor", "payload": {"x": 1}}
    await alice.send(TOPIC, "broadcast", payload)
    got = await bob.expect("broadcast")
    assert (got.payload, got.topic, got.ref) == (payload, TOPIC, None)
    assert await alice.is_quiet()


@pytest.mark.parametrize("reader", ["1.0.0", "2.0.0"])
async def test_a_binary_broadcast_reaches_both_versions(server: Server, reader: str) -> None:
    alice, bob = await server.client(), await server.client(reader)
    await alice.join(TOPIC)
    await bob.join(TOPIC)
    await alice.push_binary(TOPIC, "cursor", b'{"x": 1}')
    got = await bob.expect("broadcast")
    assert got.payload == {"type": "broadcast", "event": "cursor", "payload": {"x": 1}}
    assert got.binary is (reader == "2.0.0")


async def test_raw_bytes_reach_version_2_only(server: Server) -> None:
    alice, old, new = await server.client(), await server.client("1.0.0"), await server.client()
    for client in (alice, old, new):
        await client.join(TOPIC)
    await alice.push_binary(TOPIC, "image", b"\xff\x00", encoding=0)
    assert (await new.expect("broadcast")).payload["payload"] == b"\xff\x00"
    assert await old.is_quiet()


async def test_ack_and_self_are_given_when_asked(server: Server) -> None:
    client = await server.client()
    await client.join(TOPIC, {"broadcast": {"ack": "true", "self": True}})
    ref = await client.send(TOPIC, "broadcast", {"event": "e"})
    assert (await client.receive()).event == "broadcast"
    assert await client.reply_to(ref) == {"status": "ok", "response": {}}


async def test_a_stale_join_ref_is_still_answered(server: Server) -> None:
    client = await server.client()
    await client.join(TOPIC, {"broadcast": {"ack": True}})
    ref = await client.send(TOPIC, "broadcast", {}, join_ref="77")
    assert (await client.reply_to(ref))["status"] == "ok"


async def test_a_broadcast_over_the_limit_is_refused(settings: Settings) -> None:
    async with serving(build(settings, limits=Limits(broadcast_bytes=100))) as server:
        client = await server.client()
        await client.join(TOPIC, {"broadcast": {"ack": True}})
        ref = await client.send(TOPIC, "broadcast", {"event": "x" * 100})
        assert (await client.reply_to(ref))["response"]["error"] == "payload_size_exceeded"


@VERSIONS
async def test_presence_state_comes_before_diffs_and_loss_of_a_socket_is_told(
    server: Server, vsn: str
) -> None:
    alice, bob = await server.client(vsn), await server.client(vsn)
    await alice.join(TOPIC, {"presence": {"key": "alice", "enabled": True}})
    assert (await alice.receive()).payload == {}
    ref = await alice.send(
        TOPIC, "presence", {"type": "presence", "event": "TRACK", "payload": {"at": 1}}
    )
    joined = await alice.expect("presence_diff")
    assert joined.payload["leaves"] == {}
    meta = joined.payload["joins"]["alice"]["metas"][0]
    assert meta["at"] == 1
    assert await alice.reply_to(ref) == {"status": "ok", "response": {}}
    await bob.join(TOPIC, {"presence": {"key": "bob", "enabled": True}})
    state = await bob.receive()
    assert (state.event, state.payload) == ("presence_state", {"alice": {"metas": [meta]}})
    await alice.socket.close()
    left = await bob.expect("presence_diff")
    assert left.payload == {"joins": {}, "leaves": {"alice": {"metas": [meta]}}}


async def test_a_member_without_presence_gets_diffs_but_no_state(server: Server) -> None:
    alice, bob = await server.client(), await server.client()
    await bob.join(TOPIC)
    await alice.join(TOPIC, {"presence": {"key": "alice"}})
    await alice.send(TOPIC, "presence", {"event": "track", "payload": {}})
    assert (await bob.receive()).event == "presence_diff"


@pytest.mark.parametrize(
    ("payload", "response"),
    [
        ({"event": "track", "payload": 1}, {"reason": "Presence track payload must be a map"}),
        ({"event": "dance"}, {}),
        (None, {}),
    ],
)
async def test_bad_presence_is_refused(
    server: Server, payload: object, response: dict[str, str]
) -> None:
    client = await server.client()
    await client.join(TOPIC)
    ref = await client.send(TOPIC, "presence", payload)
    assert await client.reply_to(ref) == {"status": "error", "response": response}


async def test_too_many_presence_calls_close_the_channel(server: Server) -> None:
    client = await server.client()
    await client.join(TOPIC)
    for number in range(6):
        await client.send(TOPIC, "presence", {"event": "track", "payload": {"n": number}})
    system = await client.expect("system")
    assert system.payload["message"] == "Client presence rate limit exceeded"
    assert (await client.expect("phx_close")).ref == "1"


async def test_an_expired_token_closes_its_channel(server: Server) -> None:
    client = await server.client()
    await client.join(TOPIC, access_token=token(expires_in_s=3))
    system = await client.expect("system")
    message = system.payload.pop("message")
    assert re.fullmatch(r"Token has expired \d seconds ago", message)
    assert system.payload == {"extension": "system", "status": "error", "channel": "room"}
    assert (await client.expect("phx_close")).join_ref == "1"
    assert await client.is_quiet()


async def test_a_fresh_token_keeps_the_channel_and_a_bad_one_closes_it(server: Server) -> None:
    client = await server.client()
    await client.join(TOPIC, access_token=token(expires_in_s=60))
    await client.send(TOPIC, "access_token", {"access_token": token()})
    await client.send(TOPIC, "access_token", {"access_token": None})
    await client.send(TOPIC, "access_token", {"access_token": "sb_publishable_test"})
    assert await client.is_quiet()
    await client.send(TOPIC, "access_token", {"access_token": "nonsense"})
    system = await client.expect("system")
    assert system.payload["message"] == "The token provided is not a valid JWT"
    assert (await client.receive()).event == "phx_close"


async def test_a_join_with_an_expired_token_is_refused(server: Server) -> None:
    client = await server.client()
    reply = await client.join(TOPIC, access_token=token(expires_in_s=-100))
    assert reply["status"] == "error"
    assert reply["response"]["reason"].startswith("InvalidJWTToken: Token has expired 1")


async def test_channels_of_a_socket_are_counted(settings: Settings) -> None:
    async with serving(build(settings, limits=Limits(channels_per_socket=1))) as server:
        client = await server.client()
        await client.join(TOPIC)
        reply = await client.join("realtime:other")
        assert reply["response"]["reason"] == "ChannelRateLimitReached: Too many channels"


async def test_sockets_are_counted(settings: Settings) -> None:
    async with serving(build(settings, limits=Limits(connections=1))) as server:
        await server.client()
        with pytest.raises(InvalidStatus) as caught:
            await server.client()
        assert caught.value.response.status_code == 429


async def test_a_silent_socket_is_closed(settings: Settings) -> None:
    async with serving(build(settings, limits=Limits(idle_s=0.05))) as server:
        client = await server.client()
        with pytest.raises(ConnectionClosed) as caught:
            await client.receive()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1000


async def test_a_peer_that_is_gone_without_a_word_is_let_go(settings: Settings) -> None:
    service = build(settings, limits=Limits(idle_s=0.3))
    async with serving(service) as server:
        # Bare TCP that answers nothing, not even the close: a laptop that fell asleep.
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            f"GET /websocket?apikey={ANON}&vsn=2.0.0 HTTP/1.1\r\nhost: x\r\n"
            "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
            "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        async with asyncio.timeout(DEADLINE_S):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
            writer.write(masked('["1","1","realtime:room","phx_join",{}]'))
            assert b"phx_reply" in await reader.readuntil(b"]}}]")
            closing = await reader.readexactly(4)
            while service.hub.sockets:  # noqa: ASYNC110 - a counter has no event
                await asyncio.sleep(0.01)
        assert closing == b"\x88\x02\x03\xe8", "a close frame with code 1000"
        writer.close()


def masked(text: str) -> bytes:
    """Return a text frame of a client, masked with zeros."""
    return bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text.encode()


async def test_stop_tells_clients_to_come_back_later(settings: Settings) -> None:
    service = build(settings)
    async with serving(service) as server:
        client = await server.client()
        await client.join(TOPIC)
        await service.stop()
        with pytest.raises(ConnectionClosed) as caught:
            await client.receive()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1012


async def test_a_slow_reader_is_given_up_and_delays_nobody(settings: Settings) -> None:
    limits = Limits(queue_bytes=1_000_000, queue_frames=100)
    async with serving(build(settings, limits=limits)) as server:
        slow, fast, writer = (
            await server.client(), await server.client(), await server.client()
        )  # fmt: skip
        for client in (slow, fast, writer):
            await client.join(TOPIC)
        # `slow` never reads: first the kernel's buffers fill, then its queue.
        slow.socket.transport.pause_reading()
        for number in range(60):
            await writer.push_binary(TOPIC, "block", json.dumps("x" * 300_000).encode())
            got = await fast.expect("broadcast")
            assert len(got.payload["payload"]) == 300_000, number
        slow.socket.transport.resume_reading()
        with pytest.raises(ConnectionClosed):
            while True:
                await slow.receive()
