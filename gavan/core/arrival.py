"""How slowly and how large a request may arrive, and how long its answer may lie untaken.

Stands under the front door: uvicorn bounds none of it, so one client could hold sockets open
without a word, fill the memory with a header that never ends, or keep an object open unread.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, cast

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gavan.core.one_write import OneWrite

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Arrival(HttpToolsProtocol):
    """uvicorn's protocol with limits on the request line, the headers and the pace of the body.

    ``head_s``: time for the head to arrive, from the opening of the connection or its first byte;
    then the connection is closed. ``head_bytes``: its size, above what any client sends (upstream
    serves request lines of 16 KiB); what arrives beyond it is answered 431. Counted by reads, so
    that a head which is already there whole is never refused.

    ``body_bytes`` of a body, or its end, must arrive within every ``body_s``, else 408; time in
    which the service does not read is not the client's. No clock runs for a body that came with
    its head.

    A client that is answered before its body is in, and shall go, is listened to for ``linger_s``
    more, up to ``linger_bytes``: closing at once would reset the connection, and take the answer
    from who still writes.

    A client that takes nothing of its answer for ``taking_s`` is let go. So long, because the
    kernel tells of what was taken in steps of a megabyte or more.
    """

    head_s: ClassVar[float] = 60.0
    head_bytes: ClassVar[int] = 128 * 1024
    body_s: ClassVar[float] = 30.0
    body_bytes: ClassVar[int] = 16 * 1024
    linger_s: ClassVar[float] = 3.0
    linger_bytes: ClassVar[int] = 8 * 1024 * 1024
    taking_s: ClassVar[float] = 300.0

    _is_in_head = True
    _received_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None
    _body_timer: asyncio.TimerHandle | None = None
    _linger_timer: asyncio.TimerHandle | None = None
    _taking_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock: a client that never speaks is not kept."""
        gathered = OneWrite(transport, self.loop, self._lingers)
        super().connection_made(gathered)  # type: ignore[arg-type]
        self._head_timer = self.loop.call_later(self.head_s, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        self._stop_clock()
        for timer in (self._body_timer, self._linger_timer, self._taking_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass on what was read and look what is still to come."""
        if self._linger_timer is not None:
            self._received_bytes += len(data)
            if self._received_bytes > self.linger_bytes:
                self.transport.close()
            return
        began_before = self._is_in_head
        super().data_received(data)
        if self._is_in_head:
            self._await_head(len(data) if began_before else 0)
            return
        self._stop_clock()
        cycle: RequestResponseCycle | None = self.cycle  # none for a websocket
        if cycle is not None and cycle.more_body:
            self._received_bytes += len(data)
            if self._body_timer is None:
                self._await_body(cycle)

    def pause_writing(self) -> None:
        """Much of an answer waits for the client: look from now on whether it is taken."""
        super().pause_writing()
        if self._taking_timer is None:
            self._await_taking()

    def resume_writing(self) -> None:
        """The client takes its answer."""
        if self._taking_timer is not None:
            self._taking_timer.cancel()
            self._taking_timer = None
        super().resume_writing()

    def on_message_begin(self) -> None:
        """A head begins."""
        self._is_in_head = True
        self._received_bytes = 0
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        """Keep a large piece as it came: uvicorn copies it into a buffer, and out of it again."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete or cycle.body or len(body) <= HIGH_WATER_LIMIT:
            if cycle is not None and isinstance(cast("bytes | bytearray", cycle.body), bytes):
                cycle.body = bytearray(cycle.body)  # or every piece behind it would copy them all
            super().on_body(body)
            return
        cycle.body = body  # type: ignore[assignment]  # receive() makes bytes of it: no copy
        self.flow.pause_reading()
        cycle.message_event.set()

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._is_in_head = False
        super().on_headers_complete()

    def _lingers(self) -> bool:
        """Say whether to wait with closing: the answer is out and the body still on its way."""
        cycle: RequestResponseCycle | None = self.cycle
        is_told = self._linger_timer is not None
        if is_told or cycle is None or not (cycle.response_complete and cycle.more_body):
            return False
        self._received_bytes = 0
        self._linger_timer = self.loop.call_later(self.linger_s, self.transport.close)
        self.transport.write_eof()
        self.flow.resume_reading()
        return True

    def _await_head(self, more_bytes: int) -> None:
        self._received_bytes += more_bytes
        if self._received_bytes > self.head_bytes and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_s, self.transport.close)

    def _stop_clock(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _await_body(self, cycle: RequestResponseCycle) -> None:
        self._received_bytes = 0
        self._body_timer = self.loop.call_later(self.body_s, self._look_at_pace, cycle)

    def _await_taking(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        self._taking_timer = self.loop.call_later(self.taking_s, self._look_at_taking, waiting)

    def _look_at_taking(self, waited: int) -> None:
        if self.transport.get_write_buffer_size() < waited:
            self._await_taking()
        else:
            self.transport.abort()

    def _look_at_pace(self, begun: RequestResponseCycle) -> None:
        self._body_timer = None
        cycle = self.cycle
        if not cycle.more_body or self.transport.is_closing():
            return
        is_paced = self._received_bytes >= self.body_bytes or self.flow.read_paused
        if cycle is not begun or is_paced:
            self._await_body(cycle)
            return
        if not cycle.response_started:
            self.transport.write(_TOO_SLOW)
        self.transport.close()
