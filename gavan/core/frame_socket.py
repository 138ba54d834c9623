"""The websocket protocol under the front door: frames go to the socket as they are.

Stands between uvicorn and a service that speaks in whole frames. No compression is negotiated and
a server does not mask, so what many clients are told is one sequence of bytes: it is written to
each transport without a task or a queue in between, all of one turn of the loop at once. A service
finds this object in the scope, as ``extensions["gavan.frames"]``, accepts by ASGI, and calls
``listen``.

A client may be slow or hostile: what it sends is read in slices, so that a flood of small frames
gives way to others after each; fragments are kept as bytes; pongs are dropped while it does not
read; and whatever ends the conversation, its connection is gone two seconds later.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request

from gavan.core.one_write import OneWrite

EXTENSION = "gavan.frames"
SLICE_BYTES = 4096
"""At most some 700 frames, which is ten milliseconds"""
FLUSH_BYTES = 64 * 1024
INVALID_DATA = 1007
NORMAL = 1000
RESTART = 1012

Message = str | bytes


class Turn:
    """The sockets written to in this turn of the loop: each is one system call at its end.

    One for all, because an entry of the loop for each would cost as much as the frame.
    """

    _by_loop: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, Turn]] = WeakKeyDictionary()

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._call_soon = loop.call_soon
        self._sockets: list[FrameSocket] = []

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> Turn:
        """Return the one of a loop."""
        turn = cls._by_loop.get(loop)
        if turn is None:
            turn = cls._by_loop[loop] = cls(loop)
        return turn

    def add(self, socket: FrameSocket) -> None:
        """Flush a socket at the end of the turn."""
        if not self._sockets:
            self._call_soon(self._flush)
        self._sockets.append(socket)

    def _flush(self) -> None:
        sockets, self._sockets = self._sockets, []
        for socket in sockets:
            socket.flush()


class FrameSocket(WebSocketsSansIOProtocol):
    """uvicorn's protocol up to the handshake; from ``listen`` on, frames in and out.

    ``close_s``: how long the last bytes may take to leave, and the client to answer a close.
    ``restarts_per_s``: how many clients at most are sent away each second when the server ends, for
    they come back at once; ``spread_s``: the time that this may take.
    """

    close_s: ClassVar[float] = 2.0
    restarts_per_s: ClassVar[float] = 500.0
    spread_s: ClassVar[float] = 2.0

    is_leaving = False
    """The server ends: the client is about to be told"""

    is_writable = True
    """The transport has little to send yet"""
    _on_message: Callable[[Message], None] | None = None
    _on_writable: Callable[[], None] | None = None
    _over: asyncio.Future[None] | None = None
    _is_done = False
    _held_bytes = 0
    _unread = b""
    _early: tuple[Message, ...] = ()
    _parts: bytearray | None = None
    _is_text = False

    # For the service.

    async def listen(
        self, on_message: Callable[[Message], None], on_writable: Callable[[], None]
    ) -> None:
        """Hand every message to ``on_message`` until the conversation is over.

        ``on_writable`` is called when ``is_writable`` becomes true again.
        """
        if self.disconnected or self.close_sent:
            return
        self._on_message, self._on_writable = on_message, on_writable
        self._over = self.loop.create_future()
        # Not needed any more, and a fifth of what an idle socket weighs.
        del self.queue, self.request, self.response, self.scope
        early, self._early = self._early, ()
        for message in early:
            on_message(message)
        self.transport.resume_reading()
        await self._over

    def write(self, frame: bytes) -> None:
        """Write a whole frame; it waits in the transport when the client is slow."""
        if self.close_sent:
            return
        if not self._held:
            self._turn.add(self)
        self._held.append(frame)
        self._held_bytes += len(frame)
        if self._held_bytes > FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Give the transport what was written in this turn of the loop."""
        if self._held and not self.disconnected:
            self.transport.write(self._held[0] if len(self._held) == 1 else b"".join(self._held))
        self._held.clear()
        self._held_bytes = 0

    @property
    def waiting_bytes(self) -> int:
        """What the transport has not sent yet."""
        return self.transport.get_write_buffer_size() + self._held_bytes

    def close(self, code: int) -> None:
        """Tell the client and let it go; after ``close_s`` without its answer the hard way."""
        if not self.close_sent and not self.disconnected:
            self.flush()
            self.conn.send_close(code)
            self._finish()

    # For uvicorn.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport itself: what is written is gathered here."""
        super().connection_made(transport.bare() if isinstance(transport, OneWrite) else transport)
        self._held: list[bytes] = []
        self._turn = Turn.of(self.loop)

    def connection_lost(self, exc: Exception | None) -> None:
        """Free everything."""
        self._is_done = True
        self._unread = b""
        if self._over is None:
            super().connection_lost(exc)
            return
        self.connections.discard(self)
        self.disconnected = True
        self._end()
        if self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = None

    def data_received(self, data: bytes) -> None:
        """Read a slice now and the rest in later turns of the loop."""
        if self._is_done:
            return
        if len(data) <= SLICE_BYTES and not self._unread:
            self._read(data)
            return
        if not self._unread:
            self.transport.pause_reading()
            self.loop.call_soon(self._read_on)
        self._unread += data

    def pause_writing(self) -> None:
        """The client is slow."""
        self.is_writable = False
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self.is_writable = True
        super().resume_writing()
        if self._on_writable is not None:
            self._on_writable()

    def shutdown(self) -> None:
        """The server ends: have the client come back, but not all clients in one moment."""
        if self._over is None:
            super().shutdown()
            return
        self.is_leaving = True
        spread_s = min(self.spread_s, len(self.connections) / self.restarts_per_s)
        self.loop.call_later(random.uniform(0, spread_s), self.close, RESTART)  # noqa: S311

    async def send(self, message: Any) -> None:
        """Take an ASGI event: all of them before ``listen``, a close afterwards."""
        if self._over is None:
            await super().send(message)
        elif message["type"] == "websocket.close":
            self.close(message.get("code", NORMAL))

    def handle_connect(self, event: Request) -> None:
        """Offer this object to the service."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[EXTENSION] = self

    def handle_text(self, event: Frame) -> None:
        """A text message, or its beginning."""
        self._begin(event, is_text=True)

    def handle_bytes(self, event: Frame) -> None:
        """A binary message, or its beginning."""
        self._begin(event, is_text=False)

    def handle_cont(self, event: Frame) -> None:
        """Another part of a message; ``conn`` bounds the whole."""
        if self._parts is None:
            return
        self._parts += event.data
        if event.fin:
            whole, self._parts = bytes(self._parts), None
            self._deliver(whole)

    def handle_ping(self) -> None:
        """Answer, unless the client does not read what it is answered."""
        pong = b"".join(self.conn.data_to_send())
        if self.is_writable and not self.close_sent:
            self.transport.write(pong)

    def handle_close(self, event: Frame) -> None:
        """The client ends the conversation, or answers our end of it."""
        if self._over is None:
            super().handle_close(event)
        elif self.close_sent:
            self.transport.close()
        else:
            self._finish()
            self.transport.close()

    def handle_parser_exception(self) -> None:
        """The client broke the protocol: tell it, and read on without looking.

        Closed at once, the connection would be reset under a client that still writes, and the
        close frame lost.
        """
        self._is_done = True
        if self._over is None:
            super().handle_parser_exception()
            return
        self._finish()
        self.transport.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    # Inside.

    def _begin(self, event: Frame, *, is_text: bool) -> None:
        self._is_text = is_text
        if event.fin:
            self._deliver(bytes(event.data))
        else:
            self._parts = bytearray(event.data)

    def _deliver(self, data: bytes) -> None:
        if self.close_sent:
            return
        message: Message = data
        if self._is_text:
            try:
                message = data.decode()
            except UnicodeDecodeError:
                self.conn.fail(INVALID_DATA)
                self.handle_parser_exception()
                return
        if self._on_message is None:
            self._early += (message,)
            self.transport.pause_reading()
        else:
            self._on_message(message)

    def _read(self, data: bytes) -> None:
        super().data_received(data)

    def _read_on(self) -> None:
        data, self._unread = self._unread[:SLICE_BYTES], self._unread[SLICE_BYTES:]
        if self._is_done:
            return
        self._read(data)
        if self._unread and not self._is_done:
            self.loop.call_soon(self._read_on)
        elif not self.transport.is_closing():
            self.transport.resume_reading()

    def _finish(self) -> None:
        """Write the close frame that ``conn`` has ready, and give the rest ``close_s``."""
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.close_timer = self.loop.call_later(self.close_s, self.transport.abort)
        self._end()

    def _end(self) -> None:
        self._on_message = _ignore
        self._on_writable = None
        if self._over is not None and not self._over.done():
            self._over.set_result(None)


def _ignore(_message: Message) -> None:
    """Nobody listens any more."""
