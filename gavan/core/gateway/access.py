"""One line per request on stdout, written in batches so that a slow reader costs little.

Stands beside the front door; lines have the form of ``gavan.kit.logging``.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TextIO

from gavan.kit.logging import render_json, render_text, timestamp

FLUSH_S = 0.05
IN_MESSAGE = frozenset({"event", "method", "path", "status"})


@dataclass(slots=True, kw_only=True)
class Access:
    """What is told of one request; the query string, which may hold keys, never is."""

    service: str
    request_id: str
    method: str
    path: str
    status: int
    ms: float
    size_bytes: int
    user_id: str | None


class AccessLog:
    """Collect lines and write them every 50 ms and at ``flush``.

    Args:
        least_status: requests that end with a lower one leave no line.
    """

    def __init__(
        self, log_format: str, stream: TextIO | None = None, *, least_status: int = 0
    ) -> None:
        self._least_status = least_status
        self._render = _render_text if log_format == "text" else render_json
        self._stream = stream or sys.stdout
        self._lines: list[str] = []

    def write(self, access: Access) -> None:
        """Queue the line of one request."""
        if access.status < self._least_status:
            return
        fields: dict[str, object] = {
            "ts": timestamp(time.time()),
            "level": "ERROR" if access.status >= 500 else "INFO",
            "msg": f"{access.method} {access.path} {access.status}",
            "service": access.service,
            "event": "request",
            "request_id": access.request_id,
            "method": access.method,
            "path": access.path,
            "status": access.status,
            "ms": round(access.ms, 1),
            "bytes": access.size_bytes,
        }
        if access.user_id is not None:
            fields["user_id"] = access.user_id
        self._lines.append(self._render(fields))
        if len(self._lines) == 1:
            asyncio.get_running_loop().call_later(FLUSH_S, self.flush)

    def flush(self) -> None:
        """Write what is queued; a stdout that is gone is no reason to stop serving."""
        lines, self._lines = self._lines, []
        if not lines:
            return
        try:
            self._stream.write("\n".join(lines) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            return


def _render_text(fields: Mapping[str, Any]) -> str:
    # The message says these already; people read them once.
    return render_text({name: fields[name] for name in fields if name not in IN_MESSAGE})
