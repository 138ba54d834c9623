"""Requests at a constant rate on connections that are kept, each answer judged.

For tests and benches of releases. A client as browsers and libraries are: it takes a connection
that is free, opens one when none is, and begins anew without a word when it sees that the server
closed one. It never repeats a request: what got no answer has failed, and says where.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

PATIENCE_S = 60.0
"""Longer than a busy machine takes; a request that is only slow has not failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the requests go; ``name`` is the host that is asked for."""

    address: str
    port: int
    name: str
    tls: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request, and whether an answer to it is right by status and body."""

    method: str
    path: str
    judge: Callable[[int, bytes], bool]
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Callable[[int], bytes] = lambda _number: b""

    def text(self, target: Target, number: int) -> bytes:
        """Return what is sent; ``number`` is that of the request."""
        body = self.body(number)
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {target.name}",
                 *(f"{name}: {value}" for name, value in self.headers.items())]  # fmt: skip
        if body or self.method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A request without its right answer; ``at`` is the time of the clock when it was sent."""

    at: float
    after_s: float
    request: str
    used_before: int
    why: str

    def __str__(self) -> str:
        when = time.strftime("%H:%M:%S", time.gmtime(self.at)) + f"{self.at % 1:.3f}"[1:]
        return (f"{when} {self.request}: {self.why} after {self.after_s:.3f} s, on a connection "
                f"that had served {self.used_before}")  # fmt: skip


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.served = 0
        self.is_last = False

    @property
    def is_closed(self) -> bool:
        return self.reader.at_eof() or self.writer.is_closing()

    async def ask(self, text: bytes) -> tuple[int, bytes]:
        """Return status and body; raises EOFError and OSError when there is no whole answer."""
        self.writer.write(text)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = int(head.split(" ", 2)[1])
        rows = (line.partition(":") for line in head.splitlines()[1:])
        fields = {name: value.strip() for name, _, value in rows}
        body = await self.reader.readexactly(int(fields.get("content-length", 0)))
        self.is_last = fields.get("connection") == "close"
        self.served += 1
        return status, body

    async def close(self) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


class Load:
    """Questions asked in turn, ``rate`` per second, until ``end`` is set.

    ``least`` connections are open from the beginning and taken in turn, so that each one rests
    between its requests: a server that closes a resting one is met in the act.
    """

    def __init__(self, target: Target, questions: list[Question], *, rate: float = 50.0,
                 least: int = 20) -> None:  # fmt: skip
        self.target, self.questions = target, questions
        self._rate, self._least = rate, least
        self.end = asyncio.Event()
        self.answered: Counter[bytes] = Counter()
        self.asked = 0
        self.begun_anew = 0
        """Connections that the server closed while they rested, seen in time"""
        self.failed: list[Failed] = []
        self._free: deque[_Connection] = deque()
        self._one_more = asyncio.Condition()

    async def run(self) -> None:
        """Ask until the end; return when every answer is there."""
        under_way: set[asyncio.Task[None]] = set()
        self._free.extend([await self._open() for _ in range(self._least)])
        began = time.monotonic()
        while not self.end.is_set():
            task = asyncio.create_task(self._one(self.asked))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            self.asked += 1
            async with self._one_more:
                self._one_more.notify_all()
            due = began + self.asked / self._rate
            with suppress(TimeoutError):
                await asyncio.wait_for(self.end.wait(), max(due - time.monotonic(), 0.001))
        await asyncio.gather(*under_way)
        for connection in self._free:
            await connection.close()

    async def until_asked(self, more: int) -> None:
        """Wait until that many more requests have begun."""
        wanted = self.asked + more
        async with self._one_more:
            await self._one_more.wait_for(lambda: self.asked >= wanted)

    async def _open(self) -> _Connection:
        context = None
        if self.target.tls:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        where = self.target
        return _Connection(*await asyncio.open_connection(
            where.address, where.port, ssl=context,
            server_hostname=where.name if where.tls else None))  # fmt: skip

    async def _take(self) -> _Connection:
        while self._free:
            found = self._free.popleft()
            if not found.is_closed:
                return found
            self.begun_anew += 1
            await found.close()
        return await self._open()

    async def _one(self, number: int) -> None:
        question = self.questions[number % len(self.questions)]
        at, began, served = time.time(), time.monotonic(), 0
        connection = None
        try:
            async with asyncio.timeout(PATIENCE_S):
                connection = await self._take()
                served = connection.served
                status, body = await connection.ask(question.text(self.target, number))
            why = "" if question.judge(status, body) else f"answered {status} {body[:200]!r}"
            self.answered[body] += not why
        except (OSError, EOFError, TimeoutError) as error:
            why = f"{type(error).__name__} {error}".strip()
        if why:
            request = f"{question.method} {question.path} #{number}"
            self.failed.append(Failed(at=at, after_s=time.monotonic() - began, request=request,
                                      used_before=served, why=why))  # fmt: skip
        if connection is None:
            return
        if why or connection.is_last:
            await connection.close()
        else:
            self._free.append(connection)
