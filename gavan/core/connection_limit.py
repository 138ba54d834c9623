"""How many clients may be connected: fewer than there are files to open.

Stands under the front door. Without it the kernel's limit is met in the middle of anything: the
connections to Postgres fail then, and the server drops clients without a word.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import ClassVar

from gavan.core.arrival import Arrival

TELL_EVERY_S = 10.0
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"retry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)

logger = logging.getLogger(__name__)


class ConnectionLimit(Arrival):
    """Answers 503 to clients beyond ``most`` and says so in the log, once in ten seconds."""

    most: ClassVar[int] = 1_000_000
    _told_at: ClassVar[float] = float("-inf")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the client in or send it away."""
        super().connection_made(transport)
        if len(self.connections) <= self.most:
            return
        transport.write(_FULL)
        transport.close()
        cls, now = type(self), time.monotonic()
        if now - cls._told_at >= TELL_EVERY_S:
            cls._told_at = now
            logger.warning(
                "%d clients are connected and no more can be: raise the limit of open files"
                " (ulimit -n, LimitNOFILE=)",
                self.most,
                extra={"event": "connections.full"},
            )
