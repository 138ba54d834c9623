"""A client of raw frames, both versions, for tests that look at the protocol itself."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from gavan.kit.jwt import sign
from gavan.kit.secret import Secret

SECRET = Secret("a-secret-of-at-least-thirty-two-characters")
DEADLINE_S = 45.0
"""How long anything may take on a machine that does much else; nobody waits so long"""


def token(role: str = "authenticated", *, expires_in_s: float = 600, **claims: object) -> str:
    """Return a signed token."""
    return sign({"role": role, "exp": int(time.time() + expires_in_s), **claims}, SECRET)


ANON = sign({"iss": "supabase-demo", "role": "anon", "exp": 4102444800}, SECRET)
SERVICE = sign({"iss": "supabase-demo", "role": "service_role", "exp": 4102444800}, SECRET)


@dataclass(frozen=True)
class Got:
    """One frame from the server; binary kind 4 is read into a broadcast."""

    join_ref: str | None
    ref: str | None
    topic: str
    event: str
    payload: Any
    binary: bool = False


@dataclass
class RawClient:
    """Frames in and out of one websocket."""

    socket: ClientConnection
    vsn: str
    refs: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def send(
        self, topic: str, event: str, payload: object, *, join_ref: str | None = None
    ) -> str:
        ref = str(next(self.refs))
        if self.vsn == "1.0.0":
            frame: object = {"topic": topic, "event": event, "payload": payload, "ref": ref}
        else:
            frame = [join_ref, ref, topic, event, payload]
        await self.socket.send(json.dumps(frame))
        return ref

    async def push_binary(self, topic: str, event: str, body: bytes, *, encoding: int = 1) -> None:
        fields = (b"1", b"9", topic.encode(), event.encode(), b"")
        header = bytes((3, *(len(part) for part in fields), encoding))
        await self.socket.send(header + b"".join(fields) + body)

    async def receive(self) -> Got:
        return await self._find(lambda got: True, "any frame")

    async def expect(self, event: str, topic: str | None = None) -> Got:
        """Return the next frame of this event, skipping others."""
        wanted = event if topic is None else f"{event} of {topic}"
        return await self._find(
            lambda got: got.event == event and topic in (None, got.topic), wanted
        )

    async def reply_to(self, ref: str) -> Any:
        got = await self._find(
            lambda got: got.event == "phx_reply" and got.ref == ref, f"the reply to {ref}"
        )
        return got.payload

    async def _find(self, is_wanted: Callable[[Got], bool], wanted: str) -> Got:
        """Return the first frame that is wanted; say what came instead when none comes in time."""
        skipped: list[Got] = []
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not is_wanted(got := _read(await self.socket.recv(), self.vsn)):
                    skipped.append(got)
        except TimeoutError as error:
            came = "".join(f"\n  {str(one)[:500]}" for one in skipped) or " nothing"
            raise TimeoutError(f"no {wanted} in {DEADLINE_S:.0f} s; came:{came}") from error
        return got

    async def join(
        self, topic: str, config: Mapping[str, object] | None = None, **payload: object
    ) -> Any:
        """Join and return the payload of the reply; the join ref is the message's own."""
        body: dict[str, object] = {"config": config or {}, **payload}
        ref = str(next(self.refs))
        if self.vsn == "1.0.0":
            frame: object = {"topic": topic, "event": "phx_join", "payload": body, "ref": ref,
                             "join_ref": ref}  # fmt: skip
        else:
            frame = [ref, ref, topic, "phx_join", body]
        await self.socket.send(json.dumps(frame))
        return await self.reply_to(ref)

    async def is_quiet(self) -> bool:
        """Nothing is waiting: a heartbeat's reply is the next frame."""
        ref = await self.send("phoenix", "heartbeat", {})
        got = await self.receive()
        return got.event == "phx_reply" and got.ref == ref

    async def rest(self, event: str) -> list[Got]:
        """Return what else of this event has come before a heartbeat's reply."""
        ref, found = await self.send("phoenix", "heartbeat", {}), []
        while (got := await self.receive()).ref != ref:
            found += [got] if got.event == event else []
        return found


def _read(frame: str | bytes, vsn: str) -> Got:
    if isinstance(frame, bytes):
        assert frame[0] == 4, "clients decode no other binary kind"
        sizes, parts, position = frame[1:4], [], 5
        for size in sizes:
            parts.append(frame[position : position + size])
            position += size
        body: object = frame[position:]
        payload: dict[str, object] = {"type": "broadcast", "event": parts[1].decode()}
        payload["payload"] = json.loads(frame[position:]) if frame[4] == 1 else body
        if parts[2]:
            payload["meta"] = json.loads(parts[2])
        return Got(None, None, parts[0].decode(), "broadcast", payload, binary=True)
    if vsn == "1.0.0":
        value = json.loads(frame)
        assert set(value) == {"topic", "event", "payload", "ref"}
        return Got(None, value["ref"], value["topic"], value["event"], value["payload"])
    return Got(*json.loads(frame))


@dataclass
class Server:
    """Where the service listens."""

    port: int
    clients: list[ClientConnection] = field(default_factory=list)

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def client(
        self, vsn: str = "2.0.0", key: str = ANON, path: str = "/websocket"
    ) -> RawClient:
        socket = await connect(
            f"ws://127.0.0.1:{self.port}{path}?apikey={key}&vsn={vsn}",
            compression=None,
            max_queue=None,  # a full one would keep a client from hearing that it is closed
        )
        self.clients.append(socket)
        return RawClient(socket, vsn)
