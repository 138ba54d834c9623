"""Run what blocks in threads, so that a cancelled request never runs away from its own file."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
TINY_BYTES = 1024
"""Chunks are joined up to this size as they come: many of a few bytes take ten times their room"""
Pieces = Sequence[bytes]
"""A block as it came, in order: joining it would cost more than writing it piece by piece"""


class Threads:
    """A few threads of one provider."""

    def __init__(self, name: str, most: int) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix=name)

    def start(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """Begin; whoever calls must await ``ended`` of what comes back."""
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._pool, lambda: work(*args, **kwargs))

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what ``work`` returns; see ``ended``."""
        return await ended(self.start(work, *args, **kwargs))

    async def open(
        self, undo: Callable[[T], object], work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what ``work`` opens; it is undone for a task that was cancelled meanwhile."""
        opening = self.start(work, *args, **kwargs)
        try:
            return await ended(opening)
        except asyncio.CancelledError:
            if not opening.cancelled() and opening.exception() is None:
                await self.run(undo, opening.result())
            raise

    async def pour(
        self,
        chunks: AsyncIterable[bytes],
        block_bytes: int,
        sink: Callable[[Pieces], object],
        last: Callable[[Pieces], T],
    ) -> T:
        """Give ``sink`` the chunks in blocks, one block behind the reading, and the rest to
        ``last``; return what that returns.

        When ``chunks`` fails, or the task is cancelled, ``sink`` gets all that came before.
        """
        held = _Held(block_bytes)
        behind: asyncio.Future[object] | None = None
        try:
            async for chunk in chunks:
                held.add(chunk)
                while held.is_full():
                    if behind is not None:
                        await ended(behind)  # before the block is taken out: this may be cancelled
                    behind = self.start(sink, held.take())
        except BaseException:
            if behind is not None:
                await ended(behind)
            while held.size:
                await self.run(sink, held.take())
            raise
        if behind is not None:
            await ended(behind)
        return await self.run(last, held.take())

    async def close(self) -> None:
        """End the threads when their work is done."""
        await asyncio.to_thread(self._pool.shutdown)


class _Held:
    """Chunks that are not yet a block."""

    def __init__(self, block_bytes: int) -> None:
        self._block_bytes = block_bytes
        self._chunks: list[bytes] = []
        self.size = 0

    def add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self._chunks and len(self._chunks[-1]) + len(chunk) <= TINY_BYTES:
            self._chunks[-1] += chunk
        else:
            self._chunks.append(chunk)

    def is_full(self) -> bool:
        """Say whether there is more than a block: what is one block in all goes to ``last``."""
        return self.size > self._block_bytes

    def take(self) -> Pieces:
        """Return a block, or all that is held when that is less."""
        over = max(0, self.size - self._block_bytes)
        rest: list[bytes] = []
        while over:
            chunk = self._chunks.pop()
            cut = max(0, len(chunk) - over)
            rest.insert(0, chunk[cut:])
            if cut:
                self._chunks.append(chunk[:cut])
            over -= len(chunk) - cut
        block, self._chunks, self.size = self._chunks, rest, sum(map(len, rest))
        return block


async def ended(work: asyncio.Future[T]) -> T:
    """Return the result of a thread's work; a cancellation goes on only when the work has ended.

    A thread cannot be stopped: whoever closed its file meanwhile would let it write to another.
    """
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([work])
        if not work.cancelled():
            work.exception()  # or asyncio complains that nobody asked
        raise
