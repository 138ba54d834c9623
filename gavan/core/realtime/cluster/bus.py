"""Messages to and from the other processes: one line, opened again whenever it breaks."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import psycopg

from gavan.core.realtime.cluster.line import Line
from gavan.core.realtime.cluster.pieces import Joiner, cut

log = logging.getLogger(__name__)

RETRY_FIRST_S = 0.1
RETRY_LAST_S = 5.0
WAITING_BYTES = 16 * 1024 * 1024
EASY_BYTES = 1024 * 1024
TOGETHER = 200
"""Pieces in one statement at most"""


class Bus:
    """Runs between ``start`` and ``stop``.

    Args:
        url: any role that may log in.
        channel: what all processes of the stack listen to, and nobody else knows.
        hear: takes (sender, message) of every other process.
        up: called whenever the line is open anew, or has room again; what was said before is lost.
        down: called whenever the line broke.
    """

    def __init__(
        self,
        url: str,
        channel: str,
        hear: Callable[[str, Mapping[str, Any]], None],
        up: Callable[[], None],
        down: Callable[[], None],
    ) -> None:
        self.name = secrets.token_hex(4)
        self._url = url
        self._channel = channel
        self._on_message = hear
        self._up = up
        self._down = down
        self._line: Line | None = None
        self._joiner = Joiner()
        self._waiting: list[str] = []
        self._waiting_bytes = 0
        self._has_dropped = False
        self._numbers = 0
        self._task: asyncio.Task[None] | None = None
        self._stir = asyncio.Event()
        self._easy = asyncio.Event()
        self._easy.set()

    def start(self) -> None:
        """Begin, unless it runs already."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Send what waits, then end."""
        task, self._task = self._task, None
        if task is None:
            return
        if self._line is None:
            task.cancel()
        self._stir.set()
        await asyncio.gather(task, return_exceptions=True)

    def say(self, message: Mapping[str, Any]) -> None:
        """Send a message to every other process; dropped when too much waits, or the line broke.

        After a drop ``up`` is called as soon as nothing waits.
        """
        if self._task is None:
            return
        if self._waiting_bytes > WAITING_BYTES:
            self._has_dropped = True
            return
        self._numbers += 1
        pieces = cut(self.name, self._numbers, orjson.dumps(message).decode())
        self._waiting += pieces
        self._waiting_bytes += sum(map(len, pieces))
        if self._waiting_bytes > EASY_BYTES:
            self._easy.clear()
        self._stir.set()

    async def ease(self) -> None:
        """Wait while much waits to be sent."""
        await self._easy.wait()

    async def try_lock(self) -> bool:
        """Become the reader of the database, unless another is or there is no line."""
        try:
            return self._line is not None and await self._line.try_lock()
        except psycopg.Error:
            return False

    def _is_stopping(self) -> bool:
        return self._task is None

    async def _run(self) -> None:
        pause_s = RETRY_FIRST_S
        while not self._is_stopping():
            try:
                self._line = line = await Line.open(
                    self._url, self._channel, self._hear, self._lose
                )
                pause_s = RETRY_FIRST_S
                self._up()
                await self._speak(line)
            except (psycopg.Error, OSError) as error:
                if self._is_stopping():
                    log.info("cluster_left_without_a_word", extra={"why": str(error)})
                    return
                log.warning("cluster_broken", extra={"why": str(error), "retry_s": pause_s})
            finally:
                self._forget()
            if not self._is_stopping():
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, RETRY_LAST_S)

    async def _speak(self, line: Line) -> None:
        """Send what is said until the line breaks, or what waits when we stop."""
        try:
            while self._line is not None:
                await self._stir.wait()
                self._stir.clear()
                is_last = self._is_stopping()
                if self._line is not None:
                    await self._send(line)
                if is_last:
                    return
        finally:
            await line.close()

    async def _send(self, line: Line) -> None:
        while self._waiting:
            together, self._waiting = self._waiting[:TOGETHER], self._waiting[TOGETHER:]
            self._waiting_bytes -= sum(map(len, together))
            if self._waiting_bytes <= EASY_BYTES:
                self._easy.set()
            await line.say(together)
        if self._has_dropped:
            log.warning("cluster_messages_dropped")
            self._has_dropped = False
            self._up()

    def _hear(self, piece: str) -> None:
        found = self._joiner.add(piece)
        if found is None or found[0] == self.name:
            return
        try:
            message = orjson.loads(found[1])
        except orjson.JSONDecodeError:
            return
        if isinstance(message, dict):
            self._on_message(found[0], message)

    def _lose(self) -> None:
        self._line = None
        self._stir.set()

    def _forget(self) -> None:
        self._line = None
        self._waiting, self._waiting_bytes, self._has_dropped = [], 0, False
        self._easy.set()
        self._joiner = Joiner()
        self._down()
