"""Whose turn an upload is: one request at a time holds it, the next one asks it to let go.

A client that lost its connection comes back while its former request still waits for bytes that
never come; so whoever is asked goes on while bytes arrive, for a while, and stops when none do
(supabase/storage:src/storage/protocols/tus/postgres-locker.ts). In this process by asyncio, among
several by guards.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TypeVar

from gavan.core.storage.resumable.answers import not_let_go
from gavan.core.storage.resumable.guards import Guards

WAIT_S = 5.0
DRAIN_S = 3.0
STALL_S = 1.0
RETRY_S = 0.2

T = TypeVar("T")


class Turn:
    """The hold of one request on an upload."""

    def __init__(self) -> None:
        self._until: float | None = None
        self._patience: asyncio.Timeout | None = None

    def ask(self) -> None:
        """Let the holder know that somebody waits."""
        if self._until is None:
            self._until = asyncio.get_running_loop().time() + DRAIN_S
            self._hurry()

    def lose(self) -> None:
        """Let the holder know that the guard is gone: it stops at once."""
        self._until = 0.0
        self._hurry()

    async def wait_for(self, more: Awaitable[T]) -> T:
        """Wait for more bytes; raise TimeoutError when it is somebody else's turn."""
        async with asyncio.timeout_at(self._limit()) as self._patience:
            try:
                return await more
            finally:
                self._patience = None

    def _hurry(self) -> None:
        if self._patience is not None:
            self._patience.reschedule(self._limit())

    def _limit(self) -> float | None:
        if self._until is None:
            return None
        return min(self._until, asyncio.get_running_loop().time() + STALL_S)


class _Place:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.turn: Turn | None = None
        self.users = 0


class Turns:
    """All uploads that somebody holds or waits for."""

    def __init__(self, guards: Guards) -> None:
        self._guards = guards
        self._places: dict[str, _Place] = {}

    @asynccontextmanager
    async def hold(self, version: str, wait_s: float = WAIT_S) -> AsyncIterator[Turn]:
        """Have the turn of an upload within the block.

        Args:
            wait_s: how long to wait for it; 0 does not ask the holder either.

        Raises:
            StorageError: 423 when it is not given up in time, or Postgres cannot be asked.
        """
        deadline = asyncio.get_running_loop().time() + wait_s
        place = self._places.setdefault(version, _Place())
        place.users += 1
        try:
            await _enter(place, deadline)
            try:
                place.turn = Turn()
                async with self._guards.hold(version, place.turn, deadline):
                    yield place.turn
            finally:
                place.turn = None
                place.lock.release()
        finally:
            place.users -= 1
            if not place.users:
                del self._places[version]

    async def close(self) -> None:
        """Let go of everything."""
        await self._guards.close()


async def _enter(place: _Place, deadline: float) -> None:
    """Wait for one's turn in this process, asking whoever has it."""
    loop = asyncio.get_running_loop()
    while place.lock.locked():
        if loop.time() >= deadline:
            raise not_let_go()
        if place.turn is not None:
            place.turn.ask()
        try:
            async with asyncio.timeout(RETRY_S):
                await place.lock.acquire()
        except TimeoutError:
            continue
        return
    await place.lock.acquire()  # at once: nobody has it
