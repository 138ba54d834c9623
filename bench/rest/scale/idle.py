"""Ten thousand clients that asked once and keep their connections: they must cost little."""

from __future__ import annotations

import asyncio
import resource
import time
from pathlib import Path

import psutil

from bench.rest.compare import load_schema
from bench.rest.questions import KEY, ROW
from bench.rest.scale.figures import Failed, Figure, rss_mb
from bench.rest.servers import TOKEN, Target, start_gavan
from gavan.database.embedded import Server

CONNECTIONS = 10_000
HOLD_S = 20.0
AT_ONCE = 100
PER_ADDRESS = 10_000
"""Linux has some 28,000 source ports for each source address"""
SPARE_FILES = 500
ANSWER_S = 30.0
ASKED_AGAIN = 100


class Client(asyncio.Protocol):
    """Asks one question at a time and keeps the connection."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[None] | None = None
        self._head = b""
        self.is_closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._head += data
        if self._answered is None or self._answered.done():
            return
        head, found, body = self._head.partition(b"\r\n\r\n")
        if found and len(body) >= _content_length(head):
            if head.startswith(b"HTTP/1.1 200 "):
                self._answered.set_result(None)
            else:
                self._answered.set_exception(Failed(head.decode(errors="replace")[:200]))

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(Failed(f"the connection was closed: {exc}"))

    async def ask(self, request: bytes) -> None:
        """Send a request and wait for its answer; raise Failed when it is no success."""
        if self.is_closed or self._transport is None:
            raise Failed("the connection was closed while idle")
        self._head = b""
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        async with asyncio.timeout(ANSWER_S):
            await self._answered

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.abort()


def measure_idle(
    server: Server, folder: Path, connections: int = CONNECTIONS, hold_s: float = HOLD_S
) -> list[Figure]:
    """Open the connections, ask once on each, hold them, ask again on some and on a new one.

    Raises Failed when a connection is refused, lost or not answered.
    """
    files = connections + SPARE_FILES
    _check_files(files)
    load_schema(server)
    with start_gavan(server, folder) as target:
        # After the start: the server shall manage with what its users get.
        _allow_files(files)
        try:
            return asyncio.run(_hold(target, connections, hold_s))
        except (OSError, TimeoutError, Failed) as error:
            limit, _ = psutil.Process(target.process.pid).rlimit(psutil.RLIMIT_NOFILE)
            raise Failed(f"{error!r}; the server may open {limit} files at most") from error


async def _hold(target: Target, connections: int, hold_s: float) -> list[Figure]:
    request = _request(target)
    for _ in range(ASKED_AGAIN):
        (await _connect_and_ask(target, request, 0)).close()
    before_mb = rss_mb(target.process)
    clients: list[Client] = []
    began = time.perf_counter()
    for first in range(0, connections, AT_ONCE):
        batch = range(first, min(first + AT_ONCE, connections))
        clients += await asyncio.gather(
            *(_connect_and_ask(target, request, number) for number in batch)
        )
    opened_s = time.perf_counter() - began
    await asyncio.sleep(hold_s)
    held_mb = rss_mb(target.process)
    lost = sum(client.is_closed for client in clients)
    if lost:
        raise Failed(f"{lost} of {connections} connections were closed within {hold_s:g} s")
    began = time.perf_counter()
    clients.append(await _connect_and_ask(target, request, connections))
    answer_s = time.perf_counter() - began
    for client in clients[:: max(1, connections // ASKED_AGAIN)]:
        await client.ask(request)
    for client in clients:
        client.close()
    return [
        Figure(
            name=f"{connections} idle connections: memory of each",
            value=(held_mb - before_mb) * 1024 / connections,
            unit="kB",
        ),
        Figure(name=f"{connections} idle connections: the whole server", value=held_mb, unit="MB"),
        Figure(name="the same: opened and asked once", value=opened_s, unit="s"),
        Figure(name="the same: a new client's answer", value=answer_s * 1000, unit="ms"),
    ]


async def _connect_and_ask(target: Target, request: bytes, number: int) -> Client:
    port = int(target.url.split(":")[2].split("/")[0])
    _, client = await asyncio.get_running_loop().create_connection(
        Client, "127.0.0.1", port, local_addr=(f"127.0.0.{2 + number // PER_ADDRESS}", 0)
    )
    await client.ask(request)
    return client


def _request(target: Target) -> bytes:
    asked = target.dialect.requests[ROW]
    base = target.url.partition("//")[2]
    host, _, path = base.partition("/")
    return (
        f"GET /{path}{asked.path.replace(KEY, '1')} HTTP/1.1\r\nHost: {host}\r\n"
        f"Authorization: Bearer {TOKEN}\r\n\r\n"
    ).encode()


def _check_files(wanted: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise Failed(f"this needs {wanted} open files and the limit is {hard}: ulimit -Hn {wanted}")


def _allow_files(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise Failed("an answer without its length")
