"""Slow and hostile clients: bounded, told why in a close frame, gone soon, and nobody else waits.

Bare TCP, because no client library would do any of this.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
from websockets.exceptions import ConnectionClosed

from gavan.core.frame_socket import FrameSocket
from gavan.core.realtime.app import Service, build
from gavan.core.realtime.limits import BUCKET_S, Limits, Rate
from gavan.core.settings import Settings
from tests.integration.core.realtime.conftest import serving
from tests.integration.core.realtime.wire import ANON, DEADLINE_S, RawClient, Server

TOPIC = "realtime:room"
HEARTBEAT = '[null,"1","phoenix","heartbeat",{}]'
FIN, CONTINUATION, TEXT, BINARY, PING, MASKED = 0x80, 0, 1, 2, 9, 0x80
READ_BYTES = 1024
UPGRADE = (
    f"GET /websocket?apikey={ANON}&vsn=2.0.0 HTTP/1.1\r\nhost: x\r\n"
    "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def frame(payload: bytes | str, first: int = FIN | TEXT, *, masked: int = MASKED) -> bytes:
    """Return a frame as a client sends it, masked with zeros."""
    data = payload.encode() if isinstance(payload, str) else payload
    if len(data) < 126:
        size = bytes((masked | len(data),))
    elif len(data) < 1 << 16:
        size = bytes((masked | 126,)) + len(data).to_bytes(2)
    else:
        size = bytes((masked | 127,)) + len(data).to_bytes(8)
    return bytes((first,)) + size + bytes(4 if masked else 0) + data


@dataclass
class Peer:
    """A client that reads only when it is told to."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        async with asyncio.timeout(DEADLINE_S):
            await self.writer.drain()

    async def last_words(self) -> bytes:
        """Read to the end, however the connection ends; return the last of it."""
        last = b""
        async with asyncio.timeout(DEADLINE_S):
            with suppress(ConnectionError):
                while data := await self.reader.read(65536):
                    last = last[-256:] + data
        return last[-256:]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FrameSocket, "close_s", 0.3)


@pytest.fixture
async def peers() -> AsyncIterator[list[Peer]]:
    made: list[Peer] = []
    yield made
    for peer in made:
        peer.writer.transport.abort()


async def connect(server: Server, peers: list[Peer]) -> Peer:
    """Upgrade; what comes is read up to a kilobyte or two and then left in the kernel."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=READ_BYTES)
    peer = Peer(reader, writer)
    peers.append(peer)
    await peer.send(UPGRADE.encode())
    async with asyncio.timeout(DEADLINE_S):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    return peer


async def join(peer: Peer) -> None:
    await peer.send(frame(json.dumps(["1", "1", TOPIC, "phx_join", {}])))
    async with asyncio.timeout(DEADLINE_S):
        await peer.reader.readuntil(b'{"postgres_changes":[]}}]')


async def until_alone(service: Service, sockets: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while service.hub.sockets > sockets:  # noqa: ASYNC110 - a counter has no event
            await asyncio.sleep(0.01)


def close_frame(code: int) -> bytes:
    return b"\x88\x02" + code.to_bytes(2)


@pytest.mark.parametrize("is_reading", [False, True], ids=["never", "a byte at a time"])
async def test_a_peer_that_hardly_reads_is_freed_and_delays_nobody(
    settings: Settings, peers: list[Peer], is_reading: bool
) -> None:
    service = build(settings, limits=Limits(queue_bytes=1_000_000, queue_frames=100))
    async with serving(service) as server:
        slow, fast, writer = await connect(server, peers), await server.client(), (
            await server.client()
        )  # fmt: skip
        await join(slow)
        await fast.join(TOPIC)
        await writer.join(TOPIC)
        count = 0
        while service.hub.sockets == 3:
            await writer.push_binary(TOPIC, "block", json.dumps("x" * 300_000).encode())
            assert (await fast.expect("broadcast")).binary
            count += 1
            assert count < 200, "the kernel cannot hold so much"
            if is_reading:
                assert len(await slow.reader.read(1)) == 1
        # Its connection is gone as well, though the close frame could never be written.
        await until_gone(slow)


async def until_gone(peer: Peer) -> None:
    """Write until the kernel says that nobody is there."""
    async with asyncio.timeout(DEADLINE_S):
        with suppress(ConnectionError):
            while not peer.writer.transport.is_closing():
                peer.writer.write(frame(HEARTBEAT))
                await peer.writer.drain()
                await asyncio.sleep(0.02)


async def test_heartbeats_whose_answers_nobody_reads_end_the_socket(
    settings: Settings, peers: list[Peer]
) -> None:
    service = build(settings, limits=Limits(queue_frames=100))
    async with serving(service) as server:
        other, peer = await server.client(), await connect(server, peers)
        flood = frame(HEARTBEAT) * 2000
        async with asyncio.timeout(DEADLINE_S):
            with suppress(ConnectionError):
                while service.hub.sockets == 2:
                    peer.writer.write(flood)
                    await other.is_quiet()
        assert service.hub.sockets == 1
        await until_gone(peer)


async def test_a_flood_of_frames_is_closed_and_a_burst_is_not(settings: Settings) -> None:
    limits = Limits(idle_s=0.6, messages_per_s=10)
    async with serving(build(settings, limits=limits)) as server:
        client = await server.client()
        for _ in range(500):
            await client.socket.send(HEARTBEAT)
        assert (await client.receive()).event == "phx_reply"
        with pytest.raises(ConnectionClosed) as caught:
            await flood(client)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1008


async def flood(client: RawClient) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            client.socket.transport.write(frame(HEARTBEAT) * 2000)
            for _ in range(2000):
                await client.receive()


async def test_a_flood_of_joins_closes_the_socket(settings: Settings) -> None:
    service = build(settings)
    now = [0.0]
    service.hub.joins = Rate(1, clock=lambda: now[0])
    async with serving(service) as server:
        client = await server.client()
        for _ in range(10):
            assert (await client.join(TOPIC))["status"] == "ok"
        now[0] += BUCKET_S
        reply = await client.join(TOPIC)
        reason = "ClientJoinRateLimitReached: Too many joins per second"
        assert reply["response"] == {"reason": reason}
        with pytest.raises(ConnectionClosed) as caught:
            await client.receive()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1001


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(frame(b"\xff\xfe"), 1007, id="invalid UTF-8"),
        pytest.param(
            frame(b"\xc3", TEXT) + frame(b"\x28", FIN | CONTINUATION), 1007, id="UTF-8 in parts"
        ),
        pytest.param(frame(HEARTBEAT, masked=0), 1002, id="unmasked"),
        pytest.param(frame(b"", FIN | 3), 1002, id="reserved opcode"),
        pytest.param(frame(b"", 0xF0 | TEXT), 1002, id="reserved bits"),
        pytest.param(frame(b"x" * 126, FIN | PING), 1002, id="long ping"),
        pytest.param(frame(b"x", FIN | CONTINUATION), 1002, id="continues nothing"),
        pytest.param(frame(b"x", TEXT) + frame(b"x", TEXT), 1002, id="begins twice"),
        pytest.param(frame(bytes(5_000_001), FIN | BINARY), 1009, id="too large"),
        pytest.param(
            frame(bytes(3_000_000), BINARY) + frame(bytes(3_000_000), CONTINUATION),
            1009,
            id="too large in parts",
        ),
    ],
)
async def test_what_breaks_the_protocol_is_closed_with_its_code(
    settings: Settings, peers: list[Peer], data: bytes, code: int
) -> None:
    service = build(settings)
    async with serving(service) as server:
        peer = await connect(server, peers)
        await peer.send(data)
        words = await peer.last_words()  # nothing but a close frame, with a reason
        assert (words[:1], words[2:4]) == (b"\x88", code.to_bytes(2))
        await until_alone(service, 0)


async def test_garbage_is_bounded_however_it_is_cut(settings: Settings, peers: list[Peer]) -> None:
    service = build(settings)
    async with serving(service) as server:
        peer = await connect(server, peers)
        text = "x" * 20_000
        parts = [frame(text[0], TEXT), *(frame(one, CONTINUATION) for one in text[1:])]
        await peer.send(b"".join(parts) + frame(b"", FIN | CONTINUATION) + frame(HEARTBEAT))
        async with asyncio.timeout(DEADLINE_S):
            answer = await peer.reader.readuntil(b"}")
        assert b"phx_reply" in answer


async def test_fragments_without_an_end_are_silence(settings: Settings, peers: list[Peer]) -> None:
    service = build(settings, limits=Limits(idle_s=0.3))
    async with serving(service) as server:
        peer = await connect(server, peers)
        peer.writer.write(frame(b"[", TEXT))
        async with asyncio.timeout(DEADLINE_S):
            while service.hub.sockets:
                peer.writer.write(frame(b" ", CONTINUATION))
                await asyncio.sleep(0.02)
        assert close_frame(1000) in await peer.last_words()


async def test_pings_that_nobody_reads_answers_of_do_not_pile_up(
    settings: Settings, peers: list[Peer]
) -> None:
    service = build(settings, limits=Limits(idle_s=0.8))
    async with serving(service) as server:
        peer = await connect(server, peers)
        wire = next(iter(service._sockets))._wire
        flood, most = frame(b"x" * 125, FIN | PING) * 1000, 0
        async with asyncio.timeout(DEADLINE_S):
            with suppress(ConnectionError):
                while service.hub.sockets:
                    peer.writer.write(flood)
                    await peer.writer.drain()
                    most = max(most, wire.waiting_bytes)
                    await asyncio.sleep(0)
        assert most < 256 * 1024
        await until_gone(peer)
