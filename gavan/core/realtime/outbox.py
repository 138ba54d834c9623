"""What waits for one socket: bounded, so a slow reader costs only itself.

Rooms and channels put frames in without waiting. A client that reads gets them at once; for another
they wait here, beyond what its transport holds, until there is too much.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from gavan.core.realtime.codec import Framed

CLOSE_TRY_AGAIN = 1013


class Wire(Protocol):
    """The websocket below; see ``gavan.core.frame_socket``."""

    @property
    def is_writable(self) -> bool: ...
    @property
    def waiting_bytes(self) -> int: ...
    def write(self, frame: Framed) -> None: ...
    def close(self, code: int) -> None: ...


class Outbox:
    """Frames of one socket in order.

    Args:
        wire: where they go.
        max_bytes: over this many waiting bytes, those in the transport counted, the socket is given
            up with close code 1013.
        max_frames: likewise for frames that wait here.
    """

    __slots__ = ("_bytes", "_max_bytes", "_max_frames", "_waiting", "_wire")

    def __init__(self, wire: Wire, *, max_bytes: int, max_frames: int) -> None:
        self._wire = wire
        self._max_bytes = max_bytes
        self._max_frames = max_frames
        self._waiting: deque[Framed] | None = None  # hardly any socket ever needs one
        self._bytes = 0

    def put(self, frame: Framed) -> None:
        """Write a frame, or keep it until the client has read others."""
        if self._waiting is None and self._wire.is_writable:
            self._wire.write(frame)
        else:
            self._keep(frame)

    def drain(self) -> None:
        """The client has read: write what waits."""
        waiting = self._waiting
        while waiting and self._wire.is_writable:
            frame = waiting.popleft()
            self._bytes -= len(frame)
            self._wire.write(frame)
        if not waiting:
            self._waiting = None

    def close(self, code: int) -> None:
        """Close the socket behind the frames that wait; the wire gives them their time."""
        for frame in self._waiting or ():
            self._wire.write(frame)
        self._drop()
        self._wire.close(code)

    def _keep(self, frame: Framed) -> None:
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append(frame)
        self._bytes += len(frame)
        is_many = len(self._waiting) > self._max_frames
        if is_many or self._bytes + self._wire.waiting_bytes > self._max_bytes:
            self._drop()
            self._wire.close(CLOSE_TRY_AGAIN)

    def _drop(self) -> None:
        self._waiting, self._bytes = None, 0
