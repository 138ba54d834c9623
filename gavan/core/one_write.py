"""What is written within one turn of the event loop leaves in one system call.

Stands between uvicorn and the socket: uvicorn writes head and body of a response apart, and each
write costs a tenth of a small request and wakes the client once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

FLUSH_BYTES = 64 * 1024


class OneWrite:
    """A transport that gathers what is written; everything else is the transport's own.

    ``lingers`` is asked when it shall be closed, and closes it later itself when it says so.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        lingers: Callable[[], bool],
    ) -> None:
        self._transport = transport
        self._call_soon = loop.call_soon
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._lingers = lingers
        self.is_closing = transport.is_closing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Hold the data until the end of the turn, or until it is much."""
        if not self._held:
            self._call_soon(self._flush)
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > FLUSH_BYTES:
            self._flush()

    def bare(self) -> asyncio.Transport:
        """Write what is held and return the transport itself: for a protocol that takes over."""
        self._flush()
        return self._transport

    def close(self) -> None:
        """Write what is held, then close."""
        self._flush()
        if not self._lingers():
            self._transport.close()

    def _flush(self) -> None:
        held, self._held, self._held_bytes = self._held, [], 0
        if held:
            self._transport.writelines(held)
