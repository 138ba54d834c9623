"""The rows of the database as they commit: one stream, opened again whenever it breaks."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

import psycopg

from gavan.core.realtime.pgoutput import Change, Commit, Decoder, Relation
from gavan.core.realtime.stream import Stream, StreamBroken

log = logging.getLogger(__name__)

RETRY_FIRST_S = 0.1
RETRY_LAST_S = 5.0


class Sink(Protocol):
    """Who takes what the stream brings, one call at a time and in commit order."""

    async def begin(self) -> None:
        """A stream runs: whatever commits from now on comes."""

    def wants(self, relation: Relation, action: str) -> bool:
        """Say whether such rows are of use; others are not even decoded."""

    async def meet(self, relation: Relation) -> None:
        """A table is seen for the first time, or again after its columns changed."""

    async def take(self, change: Change) -> None:
        """One row changed."""

    async def lose(self) -> None:
        """The stream broke; what commits now does not come."""


class Source:
    """Runs the stream between ``start`` and ``drop``.

    Args:
        url: superuser with REPLICATION.
        sink: takes the rows.
    """

    def __init__(self, url: str, sink: Sink) -> None:
        self._url = url
        self._sink = sink
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
        while True:
            try:
                stream = await Stream.open(self._url)
                pause_s = RETRY_FIRST_S
                await self._read(stream)
            except (psycopg.Error, StreamBroken, OSError) as error:
                log.warning("stream_broken", extra={"why": str(error), "retry_s": pause_s})
            except Exception:
                log.exception("stream_failed")
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, RETRY_LAST_S)

    async def _read(self, stream: Stream) -> None:
        try:
            await self._sink.begin()
            decoder = Decoder(self._sink.wants)
            async for message in stream.read():
                event = decoder.decode(message)
                if isinstance(event, Change):
                    await self._sink.take(event)
                elif isinstance(event, Relation):
                    await self._sink.meet(event)
                elif isinstance(event, Commit):
                    stream.confirm(event.end_lsn)
        finally:
            stream.close()
            await self._sink.lose()
