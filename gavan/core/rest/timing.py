"""Where the time of a request went, as the ``Server-Timing`` header tells it."""

from __future__ import annotations

import time

PHASES = ("jwt", "parse", "plan", "transaction", "response")


class Clock:
    """Runs from its making; every mark takes the time since the last one."""

    __slots__ = ("_last", "_spent_ms")

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._spent_ms = dict.fromkeys(PHASES, 0.0)

    def mark(self, phase: str) -> None:
        """Count the time since the last mark to a phase."""
        now = time.perf_counter()
        self._spent_ms[phase] += (now - self._last) * 1000
        self._last = now

    def header(self) -> tuple[bytes, bytes]:
        """Return the header; milliseconds with one decimal."""
        spent = ", ".join(f"{phase};dur={ms:.1f}" for phase, ms in self._spent_ms.items())
        return b"server-timing", spent.encode()
