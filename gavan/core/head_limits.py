"""How long and how large the head of a request may be, before there is a request at all.

Stands under the front door: uvicorn bounds neither, so one client could hold sockets open without
a word, or fill the memory with a header that never ends.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gavan.core.one_write import OneWrite

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class HeadLimits(HttpToolsProtocol):
    """uvicorn's protocol with limits on the request line and the headers.

    ``head_s``: time for them to arrive, from the opening of the connection or their first byte;
    then the connection is closed. ``head_bytes``: size, above what any client sends (upstream
    serves request lines of 16 KiB); what arrives beyond it is answered 431. Counted by reads, so
    that a head which is already there whole is never refused.
    """

    head_s: ClassVar[float] = 60.0
    head_bytes: ClassVar[int] = 128 * 1024

    _is_in_head = True
    _received_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock: a client that never speaks is not kept."""
        super().connection_made(OneWrite(transport, self.loop))  # type: ignore[arg-type]
        self._head_timer = self.loop.call_later(self.head_s, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass on what was read and look whether the head is complete."""
        began_before = self._is_in_head
        super().data_received(data)
        if not self._is_in_head:
            self._stop_clock()
            return
        if began_before:
            self._received_bytes += len(data)
        if self._received_bytes > self.head_bytes and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_s, self.transport.close)

    def on_message_begin(self) -> None:
        """A head begins."""
        self._is_in_head = True
        self._received_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._is_in_head = False
        super().on_headers_complete()

    def _stop_clock(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
