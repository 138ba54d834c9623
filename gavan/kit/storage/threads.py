"""Run what blocks in threads, so that a cancelled request never runs away from its own file."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


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
        self, chunks: AsyncIterable[bytes], block_bytes: int, sink: Callable[[bytearray], None]
    ) -> None:
        """Give ``sink`` the chunks in blocks, one block behind the reading; the last is smaller.

        When ``chunks`` fails, or the task is cancelled, ``sink`` has got all that came before.
        """
        held = bytearray()
        behind: asyncio.Future[None] | None = None
        try:
            async for chunk in chunks:
                held += chunk
                while len(held) >= block_bytes:
                    if behind is not None:
                        await ended(behind)  # before the block is taken out: this may be cancelled
                    block, held = held, held[block_bytes:]
                    del block[block_bytes:]
                    behind = self.start(sink, block)
        finally:
            if behind is not None:
                await ended(behind)
            if held:
                await self.run(sink, held)

    async def close(self) -> None:
        """End the threads when their work is done."""
        await asyncio.to_thread(self._pool.shutdown)


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
