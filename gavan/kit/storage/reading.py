"""An open blob, read in a thread one block ahead of whoever sends it on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

from gavan.kit.storage.provider import ProviderError
from gavan.kit.storage.threads import Threads, ended


class Source(Protocol):
    """Something open: ``read`` returns the next block, empty at the end; both may block."""

    def read(self) -> bytes: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A source, the size of the whole blob, and how many bytes of it the source gives."""

    source: Source
    size: int
    length: int


class ReadingAhead:
    """A Reading whose first block was read already; made in a thread."""

    def __init__(self, opened: Opened, threads: Threads) -> None:
        self.size = opened.size
        self._source = opened.source
        self._left = opened.length
        self._threads = threads
        self._ahead: asyncio.Future[bytes] | None = None
        self._first = self._next()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        data, self._first = self._first, b""
        while data:
            if self._left > 0:
                self._ahead = self._threads.start(self._next)
            yield data
            data = b""
            if self._ahead is not None:
                data = await ended(self._ahead)
                self._ahead = None

    async def close(self) -> None:
        if self._ahead is not None:
            with contextlib.suppress(ProviderError):
                await ended(self._ahead)
            self._ahead = None
        self.release()

    def release(self) -> None:
        self._source.close()

    def _next(self) -> bytes:
        data = self._source.read() if self._left > 0 else b""
        self._left -= len(data)
        return data


def open_ahead(opening: Callable[[], Opened], threads: Threads) -> ReadingAhead:
    """Return the reading of what ``opening`` gives."""
    opened = opening()
    try:
        return ReadingAhead(opened, threads)
    except BaseException:
        opened.source.close()
        raise
