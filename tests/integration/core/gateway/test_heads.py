"""Clients that send the head of a request slowly, without end, or not at all."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import uvicorn
from starlette.responses import PlainTextResponse

from gavan.core.head_limits import HeadLimits

DEADLINE_S = 10.0


class Hurried(HeadLimits):
    """Limits that a test can wait for."""

    head_s = 0.2


@pytest_asyncio.fixture
async def port() -> AsyncIterator[int]:
    """A server of one word behind the limits."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        PlainTextResponse("word"),
        http=Hurried,
        ws="websockets-sansio",
        lifespan="off",
        log_level="critical",
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    async with asyncio.timeout(DEADLINE_S):
        while not server.started:  # noqa: ASYNC110 - uvicorn offers no event for it
            await asyncio.sleep(0.005)
    yield listener.getsockname()[1]
    server.should_exit = True
    await task
    listener.close()


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nhost: x\r\nslow: "])
async def test_a_head_that_does_not_come_ends_the_connection(port: int, said: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    async with asyncio.timeout(DEADLINE_S):
        assert await reader.read() == b""
    writer.close()


async def test_a_second_head_that_stays_half_ends_the_connection(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    async with asyncio.timeout(DEADLINE_S):
        assert (await reader.readuntil(b"word")).startswith(b"HTTP/1.1 200")
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
