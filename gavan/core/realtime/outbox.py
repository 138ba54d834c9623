"""The frames that wait for one socket: bounded, so a slow reader costs only itself.

Rooms and channels put frames in without waiting; one task per socket takes them out and writes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from gavan.core.realtime.codec import Frame

Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

CLOSE_TRY_AGAIN = 1013


class Outbox:
    """Frames of one socket in order.

    Args:
        send: the ASGI send of the websocket.
        max_bytes: over this many waiting bytes the socket is given up with close code 1013.
        max_frames: likewise for frames.
    """

    def __init__(self, send: Send, *, max_bytes: int, max_frames: int) -> None:
        self._send = send
        self._max_bytes = max_bytes
        self._max_frames = max_frames
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self._ready = asyncio.Event()
        self._close_code: int | None = None
        self.overflowed = asyncio.Event()

    def put(self, frame: Frame) -> None:
        """Queue a frame; after a close or an overflow it is dropped."""
        if self._close_code is not None:
            return
        self._frames.append(frame)
        self._bytes += len(frame)
        if self._bytes > self._max_bytes or len(self._frames) > self._max_frames:
            self._frames.clear()
            self.close(CLOSE_TRY_AGAIN)
            self.overflowed.set()
        self._ready.set()

    def close(self, code: int) -> None:
        """Close the socket once the frames queued so far are written."""
        if self._close_code is None:
            self._close_code = code
            self._ready.set()

    async def run(self) -> None:
        """Write frames until the socket is closed."""
        while True:
            while self._frames:
                frame = self._frames.popleft()
                self._bytes -= len(frame)
                await self._send(_event(frame))
            if self._close_code is not None:
                await self._send({"type": "websocket.close", "code": self._close_code})
                return
            self._ready.clear()
            await self._ready.wait()


def _event(frame: Frame) -> MutableMapping[str, Any]:
    key = "text" if isinstance(frame, str) else "bytes"
    return {"type": "websocket.send", key: frame}
