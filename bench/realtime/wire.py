"""Many websockets without a library: raw sockets in one epoll, so that counting costs little.

The generator shares the machine with the server; a client library would use up the second core.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from bench.rest.load import LoadFailed

ANSWER_S = 60.0
PER_ADDRESS = 10_000
"""Linux has some 28,000 source ports for each source address"""
BUFFER_BYTES = 1024 * 1024
TOPIC = "realtime:bench"


def frame_of(data: bytes, opcode: int) -> bytes:
    """Return a client's frame, masked with zeros."""
    size = len(data)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    else:
        head = bytes((0x80 | opcode, 0x80 | 126)) + size.to_bytes(2)
    return head + bytes(4) + data


def join_frame(
    token: str | None = None, changes: Sequence[object] = (), topic: str = TOPIC
) -> bytes:
    """Return the frame that joins a topic."""
    payload: dict[str, object] = {"config": {"postgres_changes": list(changes)}}
    if token is not None:
        payload["access_token"] = token
    return frame_of(orjson.dumps(["1", "1", topic, "phx_join", payload]), 1)


def broadcast_frame(body_bytes: int) -> bytes:
    """Return the frame of a broadcast as supabase-js sends it: binary, kind 3."""
    fields = (b"1", b"2", TOPIC.encode(), b"bench", b"")
    header = bytes((3, *(len(part) for part in fields), 1))
    body = b'"' + b"x" * (body_bytes - 2) + b'"'
    return frame_of(header + b"".join(fields) + body, 2)


def open_socket(port: int, path: str, number: int = 0) -> socket.socket:
    """Return an upgraded connection; ``number`` spreads many over source addresses."""
    source = (f"127.0.0.{2 + number // PER_ADDRESS}", 0)
    opened = socket.create_connection(("127.0.0.1", port), ANSWER_S, source_address=source)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    opened.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    head = await_bytes(opened, b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 101"):
        raise LoadFailed(f"no upgrade: {head[:300]!r}")
    return opened


def await_bytes(opened: socket.socket, wanted: bytes) -> bytes:
    """Read until something has come; raise LoadFailed when the connection ends before."""
    got = b""
    while wanted not in got:
        more = opened.recv(65536)
        if not more:
            raise LoadFailed(f"the connection ended: {got[-300:]!r}")
        got += more
    return got


@dataclass
class Listeners:
    """Sockets whose bytes are counted."""

    sockets: dict[int, socket.socket]
    buffer: bytearray = field(default_factory=lambda: bytearray(BUFFER_BYTES))
    received: int = 0

    def __post_init__(self) -> None:
        self._epoll = select.epoll()
        for number, one in self.sockets.items():
            one.setblocking(False)
            self._epoll.register(number, select.EPOLLIN)

    def count_until(self, wanted: int) -> None:
        """Read until so many bytes have come in all; raise LoadFailed when they do not."""
        until = time.monotonic() + ANSWER_S
        readv, buffers = os.readv, [self.buffer]
        while self.received < wanted:
            ready = self._epoll.poll(1.0)
            if time.monotonic() > until:
                raise LoadFailed(f"{self.received} of {wanted} bytes came within {ANSWER_S:g} s")
            for number, _ in ready:
                size = readv(number, buffers)
                if not size:
                    raise LoadFailed("the server closed a socket")
                self.received += size

    def settle(self, quiet_s: float = 0.3) -> bytes:
        """Read until nothing comes any more; return what the last socket read said."""
        last = b""
        while ready := self._epoll.poll(quiet_s):
            for number, _ in ready:
                size = os.readv(number, [self.buffer])
                if not size:
                    raise LoadFailed("the server closed a socket")
                last = bytes(self.buffer[:size])
        self.received = 0
        return last

    def close(self) -> None:
        """Close every socket."""
        self._epoll.close()
        for one in self.sockets.values():
            one.close()
