"""How far a copy has come: a bar on the line of its step.

Stands between the transfers, which tell every piece, and the progress of the verb.
"""

from __future__ import annotations

import time

from gavan.cli.progress import Progress
from gavan.kit.size import in_bytes

TICK_S = 0.1
WIDTH = 24


class Meter:
    """Bytes and files of one step; at most ten ticks a second."""

    def __init__(self, progress: Progress, step: str, *, files: int, size: int) -> None:
        self._progress = progress
        self._step = step
        self._files = files
        self._size = size
        self._done_files = 0
        self._done = 0
        self._began = time.monotonic()
        self._told = 0.0
        progress.start(step, count(files) + (f", {in_bytes(size)}" if size else ""))

    def moved(self, size: int) -> None:
        """Count bytes; fewer than none when a piece has to be sent again."""
        self._done += size
        self._tick()

    def finished_one(self) -> None:
        """Count a file."""
        self._done_files += 1
        self._tick()

    def ok(self) -> None:
        """End the step."""
        self._progress.ok(self._step, self._summary(), files=self._done_files, bytes=self._done)

    def fail(self, failed: int) -> None:
        """End the step when files are missing."""
        of_all = f"{failed} of {self._files} files" if self._files > 1 else ""
        self._progress.fail(self._step, of_all)

    def _tick(self) -> None:
        now = time.monotonic()
        if now - self._told >= TICK_S:
            self._told = now
            share = self._done / self._size if self._size else self._done_files / (self._files or 1)
            self._progress.tick(self._step, f"{bar(share)} {self._summary()}")

    def _summary(self) -> str:
        took = time.monotonic() - self._began
        rate = f", {in_bytes(round(self._done / took))}/s" if took > TICK_S else ""
        files = f"{self._done_files} of {self._files} files" if self._files > 1 else ""
        # What is copied inside the service has no bytes to tell.
        size = f"{in_bytes(self._done)}{rate}" if self._size else ""
        return ", ".join(filter(None, (files, size)))


def count(files: int) -> str:
    """Return how many files, in words."""
    return "1 file" if files == 1 else f"{files} files"


def bar(share: float) -> str:
    """Return a bar that is full at 1."""
    full = round(min(max(share, 0.0), 1.0) * WIDTH)
    return f"[{'#' * full}{'.' * (WIDTH - full)}] {min(max(share, 0.0), 1.0):4.0%}"
