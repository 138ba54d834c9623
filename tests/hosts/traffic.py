"""What clients do to a stack while it is released: requests, websockets, one long upload.

Each part keeps what went wrong, in words with the time, so that a failure can be laid beside the
log of the release.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import websockets
from websockets.asyncio.client import ClientConnection, connect

PATIENCE_S = 60.0
BEAT_S = 1.0
MIB = 2**20
DROP = 2048
"""What is sent twice a second while an upload is held back"""
RESTART = 1012


def trusting() -> ssl.SSLContext:
    """Return a context that takes the certificate of any authority: that of a test is its own."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@dataclass(kw_only=True)
class Sockets:
    """Websockets that say something every second and come back when they are sent away.

    ``say`` is what a client says, ``judge`` whether it was answered well; ``closed`` has time and
    code of every end, ``back`` how many came back and were answered.
    """

    url: str
    address: str
    say: str
    judge: Callable[[str], bool]
    number: int = 10
    closed: list[tuple[float, int]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    heard: Counter[str] = field(default_factory=Counter)
    open: int = 0
    back: int = 0
    all_back: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, end: asyncio.Event) -> None:
        """Hold the sockets until the end."""
        await asyncio.gather(*(self._one(end) for _ in range(self.number)))

    async def come_back(self) -> None:
        """Wait until every socket was sent away and answered again, but not for ever."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await self.all_back.wait()

    async def _one(self, end: asyncio.Event) -> None:
        was_away = False
        while not end.is_set():
            try:
                async with asyncio.timeout(PATIENCE_S):
                    client = await connect(self.url, host=self.address, port=443, ssl=trusting(),
                                           ping_interval=None, compression=None, proxy=None,
                                           open_timeout=PATIENCE_S)  # fmt: skip
            except (OSError, TimeoutError, websockets.WebSocketException) as error:
                self.failed.append(f"{_clock()} not opened: {error!r}")
                return
            self.open += 1
            try:
                await self._say(client)
                self.back += was_away
                if self.back >= self.number:
                    self.all_back.set()
                while not end.is_set():
                    await asyncio.sleep(BEAT_S)
                    await self._say(client)
            except websockets.ConnectionClosed as error:
                was_away = True
                self.closed.append((time.time(), error.rcvd.code if error.rcvd else 1006))
            except TimeoutError:
                self.failed.append(f"{_clock()} no answer within {PATIENCE_S:g} s")
            finally:
                self.open -= 1
                await client.close()

    async def _say(self, client: ClientConnection) -> None:
        await client.send(self.say)
        async with asyncio.timeout(PATIENCE_S):
            said = str(await client.recv())
        self.heard[said] += 1
        if not self.judge(said):
            self.failed.append(f"{_clock()} said {said!r}")


@dataclass(kw_only=True)
class Upload:
    """One object in one request, whose last part is held back until ``may_end`` is set.

    ``is_held`` is set when all else is sent; ``status`` is that of the answer, ``digest`` of what
    was sent, ``sent`` how far it is.
    """

    address: str
    host: str
    path: str
    token: str
    size: int = 1024 * MIB
    held: int = 16 * MIB
    is_held: threading.Event = field(default_factory=threading.Event)
    may_end: threading.Event = field(default_factory=threading.Event)
    status: str = ""
    digest: str = ""
    sent: int = 0

    def run(self) -> None:
        """Send it, from a thread of its own."""
        head = (f"POST {self.path} HTTP/1.1\r\nHost: {self.host}\r\nAuthorization: Bearer "
                f"{self.token}\r\nContent-Type: application/octet-stream\r\n"
                f"Content-Length: {self.size}\r\n\r\n")  # fmt: skip
        piece, digest = bytearray(os.urandom(MIB)), hashlib.sha256()
        try:
            raw = socket.create_connection((self.address, 443), PATIENCE_S)
            with trusting().wrap_socket(raw, server_hostname=self.host) as client:
                client.sendall(head.encode())
                while self.sent < self.size:
                    # A drop at a time while it is held back: nobody may take it for dead.
                    waits = self.sent >= self.size - self.held and not self.may_end.is_set()
                    length = DROP if waits else min(MIB, self.size - self.sent)
                    piece[:8] = self.sent.to_bytes(8, "big")
                    client.sendall(memoryview(piece)[:length])
                    digest.update(memoryview(piece)[:length])
                    self.sent += length
                    if waits:
                        self.is_held.set()
                        self.may_end.wait(0.5)
                self.status = client.recv(65536).decode("latin-1").partition("\r\n")[0]
        except OSError as error:
            self.status = f"{_clock()} {error!r} after {self.sent} bytes"
        self.is_held.set()
        self.digest = digest.hexdigest()


def _clock() -> str:
    return time.strftime("%H:%M:%S", time.gmtime())
