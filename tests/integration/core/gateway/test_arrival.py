"""Clients that send a request slowly, without end, or not at all."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass

import pytest
import pytest_asyncio
import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from gavan.core.arrival import Arrival

DEADLINE_S = 30.0


class Small(Arrival):
    """Limits of a size that a test can reach; those of time are set where they are waited for."""

    body_bytes = 1000
    linger_bytes = 1_000_000


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the size of a posted body, with a body that was put, else with a word; refuse
    a PATCH before its body is in."""
    request = Request(scope, receive)
    if request.method == "PATCH":
        refusal = PlainTextResponse("no", status_code=400, headers={"connection": "close"})
        await refusal(scope, receive, send)
        return
    with suppress(ClientDisconnect):
        body = await request.body()
        answers = {"POST": str(len(body)).encode(), "PUT": body}
        answer = PlainTextResponse(answers.get(request.method, b"word"))
        await answer(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Serving:
    """A running server."""

    port: int
    state: ServerState

    @property
    def has_clients(self) -> bool:
        return bool(self.state.connections)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Serving]:
    """A small server behind the limits."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        echo,
        http=Small,
        ws="websockets-sansio",
        lifespan="off",
        log_level="critical",
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    async with asyncio.timeout(DEADLINE_S):
        while not server.started:  # noqa: ASYNC110 - uvicorn offers no event for it
            await asyncio.sleep(0.005)
    yield Serving(listener.getsockname()[1], server.server_state)
    server.should_exit = True
    await task
    listener.close()


Hurry = Callable[..., None]


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> Hurry:
    """Return a function that sets limits of time, in seconds."""

    def set_all(**limits: float) -> None:
        for name, seconds in limits.items():
            monkeypatch.setattr(Small, name, seconds)

    return set_all


@pytest.fixture
def port(server: Serving) -> int:
    return server.port


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nhost: x\r\nslow: "])
async def test_a_head_that_does_not_come_ends_the_connection(
    port: int, said: bytes, hurry: Hurry
) -> None:
    hurry(head_s=0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    async with asyncio.timeout(DEADLINE_S):
        assert await reader.read() == b""
    writer.close()


async def test_a_second_head_that_stays_half_ends_the_connection(port: int, hurry: Hurry) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    async with asyncio.timeout(DEADLINE_S):
        assert (await reader.readuntil(b"word")).startswith(b"HTTP/1.1 200")
        hurry(head_s=0.2)
        writer.write(b"GET / HTTP/1.1\r\nslow")
        assert await reader.read() == b""
    writer.close()


async def test_a_head_without_end_is_answered_431(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nendless: ")
    async with asyncio.timeout(DEADLINE_S):
        answer = asyncio.create_task(reader.read(4096))
        while not answer.done():
            writer.write(b"a" * 4096)
            await asyncio.sleep(0)
        assert (await answer).startswith(b"HTTP/1.1 431 ")
    writer.close()


async def test_a_long_request_line_passes(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /?" + b"a" * 60_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n")
    async with asyncio.timeout(DEADLINE_S):
        assert (await reader.readuntil(b"word")).startswith(b"HTTP/1.1 200")
    writer.close()


@pytest.mark.parametrize(
    "said",
    [b"content-length: 5000\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n5\r\nab"],
)
async def test_a_body_that_does_not_come_is_answered_408(
    port: int, said: bytes, hurry: Hurry
) -> None:
    hurry(body_s=0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nhost: x\r\n" + said)
    async with asyncio.timeout(DEADLINE_S):
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer
    writer.close()


async def test_a_body_that_trickles_is_answered_408(port: int, hurry: Hurry) -> None:
    hurry(body_s=0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n")
    async with asyncio.timeout(DEADLINE_S):
        answer = asyncio.create_task(reader.read(4096))
        while not answer.done():
            writer.write(b"a")
            await asyncio.sleep(0.01)
        assert (await answer).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_a_body_of_a_steady_pace_may_take_its_time(port: int, hurry: Hurry) -> None:
    hurry(body_s=0.9)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 18000\r\n\r\n")
    async with asyncio.timeout(DEADLINE_S):
        for _ in range(6):  # twice as long as is waited for one thousand bytes
            writer.write(b"a" * 3000)
            await asyncio.sleep(0.3)
        assert (await reader.readuntil(b"18000")).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_the_next_request_has_its_own_time(port: int, hurry: Hurry) -> None:
    hurry(body_s=1.0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n"
    async with asyncio.timeout(DEADLINE_S):
        for _ in range(4):
            writer.write(head + b"a")
            await asyncio.sleep(0.4)
            writer.write(b"b")
            assert (await reader.readuntil(b"\r\n\r\n2")).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_requests_sent_at_once_are_answered_in_order(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    get = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
    post = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    head = b"HEAD / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    writer.write(get + post + get + head)
    async with asyncio.timeout(DEADLINE_S):
        answers = (await reader.read()).split(b"HTTP/1.1 200 OK\r\n")
    bodies = [answer.partition(b"\r\n\r\n")[2] for answer in answers[1:]]
    assert bodies == [b"word", b"3", b"word", b""]
    writer.close()


async def test_a_large_answer_arrives_whole(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    size = 3_000_000
    writer.write(b"PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size + b"a" * size)
    async with asyncio.timeout(DEADLINE_S):
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"content-length: %d" % size in head
        assert await reader.readexactly(size) == b"a" * size
    writer.close()


async def test_a_body_in_chunks_of_all_sizes_arrives_as_it_was_sent(port: int) -> None:
    sizes = [100_000, 10, 70_000, 65_536, 65_537, 1, 250_000, 300_000, 5] * 3
    chunks = [os.urandom(size) for size in sizes]
    sent = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"PUT / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
    writer.write(sent + b"0\r\n\r\n")
    async with asyncio.timeout(DEADLINE_S):
        await reader.readuntil(b"\r\n\r\n")
        body = b"".join(chunks)
        assert await reader.readexactly(len(body)) == body
    writer.close()


async def test_an_answer_that_nobody_takes_ends_the_connection(
    server: Serving, hurry: Hurry
) -> None:
    hurry(taking_s=1.0)
    size = 30_000_000  # more than the kernel keeps between two ends that do not read
    head = b"PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE_S) as connection:
        await asyncio.to_thread(connection.sendall, head + b"a" * size)
        async with asyncio.timeout(DEADLINE_S):
            while server.has_clients:  # noqa: ASYNC110 - uvicorn offers no event for it
                await asyncio.sleep(0.02)


async def test_an_answer_that_is_taken_slowly_arrives_whole(port: int, hurry: Hurry) -> None:
    hurry(taking_s=2.0)
    size, received = 30_000_000, 0
    head = b"PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head + b"a" * size)
    async with asyncio.timeout(3 * DEADLINE_S):
        await reader.readuntil(b"\r\n\r\n")
        while received < size:
            received += len(await reader.read(1_000_000))
            await asyncio.sleep(0.02)  # longer in all than a client has to take anything
    assert received == size
    writer.close()


async def test_who_is_refused_early_reads_the_answer_and_then_the_end(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"PATCH / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n")
    async with asyncio.timeout(DEADLINE_S):
        for _ in range(5):  # far more than what is in flight when the answer leaves
            writer.write(b"a" * 100_000)
            await writer.drain()
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b"no")
    writer.close()


async def test_a_refused_body_is_not_taken_in_to_its_end(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"PATCH / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n")
    sent = 0
    with suppress(ConnectionError):
        async with asyncio.timeout(DEADLINE_S):
            while sent < 1_000_000_000:
                writer.write(b"a" * 100_000)
                await writer.drain()
                sent += 100_000
    assert sent < 100_000_000  # what the buffers of both sides hold, and what is listened to
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    reader.feed_eof()
