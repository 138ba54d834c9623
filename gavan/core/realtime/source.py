"""The rows of the database as they commit: one stream, opened again whenever it breaks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

import psycopg

from gavan.core.realtime.limits import Limits
from gavan.core.realtime.pgoutput import Change, Commit, Decoder, Event, Relation
from gavan.core.realtime.run import Run
from gavan.core.realtime.slots import durable_name
from gavan.core.realtime.stream import Stream, StreamBroken

log = logging.getLogger(__name__)

RETRY_FIRST_S = 0.1
RETRY_LAST_S = 5.0
NOWHERE = (0, 0)
ALL_ROWS = 1 << 62


class Sink(Protocol):
    """Who takes what the stream brings, one call at a time and in commit order."""

    async def begin(self) -> None:
        """A stream runs: whatever commits from now on comes."""

    def wants(self, relation: Relation, action: str) -> bool:
        """Say whether such rows are of use; others are not even decoded."""

    async def meet(self, relation: Relation) -> None:
        """A table is seen for the first time, or again after its columns changed."""

    async def take(self, changes: Sequence[Change]) -> int:
        """Rows changed, all of one table and action; return how many of them, from the first, were
        taken: the others come again."""

    async def lose(self) -> None:
        """The stream broke; what commits now does not come."""


class Source:
    """Runs the stream between ``start`` and ``drop``.

    Args:
        url: superuser with REPLICATION.
        limits: tell whether the slot is durable.
        sink: takes the rows.
    """

    def __init__(self, url: str, limits: Limits, sink: Sink) -> None:
        self._url = url
        self._slot = durable_name(url) if limits.is_durable else None
        self._rejoin_s = limits.rejoin_s if limits.is_durable else 0.0
        self._sink = sink
        self._done = NOWHERE
        self._kept = Run()
        self._commit: Commit | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, unless it runs already."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def drop(self) -> None:
        """End the stream without waiting."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def stop(self) -> None:
        """End the stream."""
        task = self._task
        self.drop()
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        pause_s = RETRY_FIRST_S
        # What a durable slot has kept is for those who listened before and come back one by one.
        await asyncio.sleep(self._rejoin_s)
        self._rejoin_s = 0.0
        while True:
            try:
                stream = await Stream.open(self._url, self._slot)
                pause_s = RETRY_FIRST_S
                await self._read(stream)
            except (psycopg.Error, StreamBroken, OSError) as error:
                log.warning("stream_broken", extra={"why": str(error), "retry_s": pause_s})
            except Exception:
                log.exception("stream_failed")
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, RETRY_LAST_S)

    async def _read(self, stream: Stream) -> None:
        if stream.is_new:
            self._done = NOWHERE
        self._kept, self._commit = Run(), None
        decoder = Decoder(self._sink.wants)
        try:
            await self._sink.begin()
            async for message in stream.read():
                event = None if message is None else decoder.decode(message)
                if isinstance(event, Commit):
                    self._commit = event
                elif isinstance(event, Change) and self._kept.fits(event):
                    self._keep(event)
                elif event is not None or message is None:
                    await self._finish(stream)
                    await self._go_on(event)
        finally:
            stream.close()
            await self._sink.lose()

    async def _go_on(self, event: Event | None) -> None:
        if isinstance(event, Change):
            self._keep(event)
        elif isinstance(event, Relation):
            await self._sink.meet(event)

    def _keep(self, change: Change) -> None:
        # A server that crashed sends again what its slot had not yet on disk.
        if change.position > self._done:
            self._kept.add(change)

    async def _finish(self, stream: Stream) -> None:
        """Have all taken that was kept, and the transactions confirmed that ended with it."""
        while self._kept.changes:
            taken = await self._sink.take(self._kept.changes)
            self._done = self._kept.drop(taken).position
        if self._commit is not None:
            self._done = max(self._done, (self._commit.lsn, ALL_ROWS))
            stream.confirm(self._commit.end_lsn)
            self._commit = None
