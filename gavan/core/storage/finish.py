"""Carry a change through to its end, also when whoever asked for it goes away meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_running: set[asyncio.Task[Any]] = set()  # the event loop holds tasks weakly


async def carry_through(work: Coroutine[Any, Any, T]) -> T:
    """Return what the work returns; a cancellation of the caller goes on when the work has ended,
    so that what the caller holds meanwhile is not let go before."""
    task = asyncio.get_running_loop().create_task(work)
    _running.add(task)
    task.add_done_callback(_running.discard)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
