"""The control socket of a running stack: one JSON object per line, in and out.

Stands in the supervisor; `client.py` is the other side. Only the owner of the stack and root get
in: the socket has mode 0600, and the peer's user id is asked besides.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gavan.engines.embedded.fleet import Fleet
from gavan.engines.embedded.model import Status, dump, load_plan
from gavan.kit.errors import GavanError

LINE_BYTES = 16 * 1024 * 1024
QUEUE_EVENTS = 1000

Verb = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Control:
    """Answer requests about one fleet."""

    def __init__(
        self, fleet: Fleet, facts: dict[str, Any], ask_down: Callable[[bool], None]
    ) -> None:
        self._fleet = fleet
        self._facts = facts
        self._ask_down = ask_down
        self._is_stopping = False
        self._server: asyncio.Server | None = None
        self.trouble = ""
        self._verbs: dict[str, Verb] = {
            "status": self._status,
            "apply": self._apply,
            "start": self._start,
            "stop": self._stop,
            "restart": self._restart,
            "down": self._down,
            "environment": self._environment,
        }

    async def open(self, path: Path) -> None:
        """Listen; an old socket file is removed, the lock says that nobody listens on it."""
        await asyncio.to_thread(path.unlink, missing_ok=True)
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, path, limit=LINE_BYTES)
        finally:
            os.umask(before)

    def refuse(self) -> None:
        """From now on take no commands: the stack is on its way down."""
        self._is_stopping = True

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not _is_allowed(writer):
                return
            while line := await reader.readline():
                request = json.loads(line)
                if request.get("do") == "watch":
                    await self._watch(writer)
                    return
                await _say(writer, await self._answer(request))
        except (OSError, ValueError, asyncio.IncompleteReadError):
            return  # the other side is gone or speaks something else; nobody to tell
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            verb = self._find(str(request.get("do")))
            return {"ok": True, **await verb(request)}
        except GavanError as error:
            told = {"code": error.code, "message": error.message, "hint": error.hint}
            return {"ok": False, "error": {**told, "exit_code": error.exit_code}}

    def _find(self, do: str) -> Verb:
        if do not in self._verbs:
            raise GavanError("GV224", f"the supervisor knows no {do!r}")
        if self._is_stopping and do not in ("status", "down"):
            raise GavanError("GV225", "the stack is going down", exit_code=4)
        return self._verbs[do]

    async def _status(self, _: dict[str, Any]) -> dict[str, Any]:
        return self._snapshot()

    def _snapshot(self) -> dict[str, Any]:
        units = [dump(status) for status in self._fleet.statuses().values()]
        facts = {**self._facts, "stopping": self._is_stopping, "trouble": self.trouble}
        return {"run": facts, "units": units}

    async def _apply(self, request: dict[str, Any]) -> dict[str, Any]:
        changes = await self._fleet.apply(load_plan(request["plan"]))
        return {"changes": [asdict(change) for change in changes]}

    async def _start(self, request: dict[str, Any]) -> dict[str, Any]:
        await self._fleet.start(request.get("units", ()))
        return {}

    async def _stop(self, request: dict[str, Any]) -> dict[str, Any]:
        await self._fleet.stop(request.get("units", ()))
        return {}

    async def _restart(self, request: dict[str, Any]) -> dict[str, Any]:
        await self._fleet.restart(request.get("units", ()))
        return {}

    async def _down(self, request: dict[str, Any]) -> dict[str, Any]:
        self._ask_down(bool(request.get("force")))
        return {}

    async def _environment(self, request: dict[str, Any]) -> dict[str, Any]:
        process = self._fleet.process(str(request.get("unit")))
        return {"env": dict(process.env), "cwd": process.cwd}

    async def _watch(self, writer: asyncio.StreamWriter) -> None:
        """Send the whole state, then every change, until the other side leaves.

        A reader that is too slow loses the oldest changes, never holds the fleet up.
        """
        queue: asyncio.Queue[Status] = asyncio.Queue(QUEUE_EVENTS)

        def listen(status: Status) -> None:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(status)

        self._fleet.listeners.add(listen)
        try:
            await _say(writer, {"ok": True, **self._snapshot()})
            while True:
                await _say(writer, {"unit": dump(await queue.get())})
        finally:
            self._fleet.listeners.discard(listen)


async def _say(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    writer.write(json.dumps(message).encode() + b"\n")
    await writer.drain()


def _is_allowed(writer: asyncio.StreamWriter) -> bool:
    """Let in the user who runs the supervisor, and root."""
    peer = writer.get_extra_info("socket")
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return uid in (0, os.getuid())
