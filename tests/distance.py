"""A way to a server that takes time, as every way over the internet does.

What one side says is heard by the other one later, the end of a connection too: whatever a server
closes while a client is about to write gets lost here as it does there, and never on a loopback.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.ports import free_port

PIECE = 256 * 1024
PIECES_ON_THE_WAY = 64


class _Way:
    """Connections from here to there and back, each piece of them late by ``delay_s``."""

    def __init__(self, address: str, port: int, delay_s: float) -> None:
        self._there = (address, port)
        self._delay_s = delay_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Lead one client there."""
        self._writers.add(writer)
        there_reader, there_writer = await asyncio.open_connection(*self._there)
        self._writers.add(there_writer)
        self._carry(reader, there_writer)
        self._carry(there_reader, writer)

    async def end(self) -> None:
        """Close every connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(PIECES_ON_THE_WAY)
        self._tasks.add(asyncio.create_task(self._take(reader, on_the_way)))
        self._tasks.add(asyncio.create_task(self._deliver(on_the_way, writer)))

    async def _take(
        self, reader: asyncio.StreamReader, to: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        data = b" "
        while data:
            try:
                data = await reader.read(PIECE)
            except OSError:
                data = b""
            await to.put((asyncio.get_running_loop().time() + self._delay_s, data))

    async def _deliver(
        self, pieces: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        data = b" "
        while data:
            due, data = await pieces.get()
            await asyncio.sleep(max(due - asyncio.get_running_loop().time(), 0))
            with suppress(OSError):
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def far_away(address: str, port: int, delay_s: float) -> AsyncIterator[int]:
    """Yield a port of the loopback that leads to ``port``; each direction takes ``delay_s``."""
    way, here = _Way(address, port, delay_s), free_port()
    server = await asyncio.start_server(way.join, "127.0.0.1", here)
    try:
        yield here
    finally:
        server.close()
        await way.end()
