"""Write what units print to `.gavan/logs/<unit>.log` without ever making a unit wait.

Stands between the pipes of the children and the disk. The event loop only puts chunks into a
ring of bounded size; one writer thread stamps, escapes, writes and rotates. A unit that prints
faster than the ring empties, and a disk that is full, cost lines and say how many.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

RING_BYTES = 4 * 1024 * 1024
PARTIAL_BYTES = 64 * 1024
PARTIAL_S = 1.0
ROTATE_BYTES = 10 * 1024 * 1024
KEEP_FILES = 5
TAIL_BYTES = 16 * 1024
TAIL_LINES = 20
# The first pause joins the lines of one moment into one write; the second bounds a flood to
# about RING_BYTES / FLOOD_PAUSE_S per second, whatever the unit prints.
PAUSE_S = 0.02
FLOOD_PAUSE_S = 0.25
RETRY_DISK_S = 1.0

# Everything a terminal survives: tab, line feed, carriage return, escape (colours) and text.
_PLAIN = bytes([9, 10, 13, 27, *range(32, 127), *range(128, 256)])
_SURROGATE = re.compile(rb"\\udc([89a-f][0-9a-f])")


def escape(data: bytes) -> bytes:
    """Return bytes as valid UTF-8 without control characters; what had to change reads `\\xNN`."""
    for odd in set(data.translate(None, _PLAIN)):
        data = data.replace(bytes([odd]), b"\\x%02x" % odd)
    try:
        data.decode()
    except UnicodeDecodeError:
        # Both error handlers are inlined in the interpreter; `backslashreplace` on decoding is
        # called per byte and too slow for a flood of binary data.
        text = data.decode("utf-8", "surrogateescape")
        data = _SURROGATE.sub(rb"\\x\1", text.encode("utf-8", "backslashreplace"))
    return data


def stamp(at: float) -> bytes:
    """Return a moment as the prefix of a log line: RFC 3339, milliseconds, UTC, one space."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z ".encode()


class LogFile:
    """The log of one unit: `feed` from the event loop, `drain` from the writer thread."""

    def __init__(
        self,
        path: Path,
        on_trouble: Callable[[str], None],
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self.path = path
        self._wake = wake
        self.tail = b""
        self._on_trouble = on_trouble
        self._ring: deque[tuple[float, bytes]] = deque()
        self._ring_bytes = 0
        self._lost = (0, 0)
        self._guard = threading.Lock()
        self._partial: tuple[float, bytes] = (0.0, b"")
        self._descriptor = -1
        self._size = 0
        self._why_lost = ""
        self._retry_at = 0.0

    def feed(self, chunk: bytes) -> None:
        """Take what a unit printed; drop it when the ring is full."""
        self.tail = (
            (self.tail + chunk)[-TAIL_BYTES:] if len(chunk) < TAIL_BYTES else chunk[-TAIL_BYTES:]
        )
        with self._guard:
            if self._ring_bytes + len(chunk) > RING_BYTES:
                self._lost = (self._lost[0] + chunk.count(b"\n"), self._lost[1] + len(chunk))
                self._why_lost = self._why_lost or "printed faster than it can be written"
                return
            self._ring.append((time.time(), chunk))
            self._ring_bytes += len(chunk)
        self._wake()

    def last_lines(self) -> tuple[str, ...]:
        """Return the last lines as a person can read them."""
        lines = escape(self.tail).decode().splitlines()
        return tuple(line.rstrip() for line in lines if line.strip())[-TAIL_LINES:]

    @property
    def is_flooded(self) -> bool:
        return self._ring_bytes > RING_BYTES // 2

    @property
    def has_partial(self) -> bool:
        return bool(self._partial[1])

    def drain(self, *, final: bool = False) -> None:
        """Write what is in the ring; with ``final`` also the last line that has no end yet."""
        with self._guard:
            ring, self._ring, self._ring_bytes = self._ring, deque(), 0
            lost, self._lost = self._lost, (0, 0)
        parts = [self._lines(at, chunk) for at, chunk in ring]
        parts.append(self._old_partial(final=final))
        if lost[1]:
            parts.append(self._marker(lost))
        data = b"".join(parts)
        if data:
            self._write(data)

    def _lines(self, at: float, chunk: bytes) -> bytes:
        begun, held = self._partial
        whole, newline, rest = (held + chunk).rpartition(b"\n")
        if not newline and len(rest) >= PARTIAL_BYTES:
            whole, newline, rest = rest, b"\n", b""
        self._partial = (begun if held and not newline else at, rest)
        if not newline:
            return b""
        prefix = stamp(at)
        return prefix + escape(whole).replace(b"\n", b"\n" + prefix) + b"\n"

    def _old_partial(self, *, final: bool) -> bytes:
        begun, held = self._partial
        if not held or not (final or time.time() - begun > PARTIAL_S):
            return b""
        self._partial = (0.0, b"")
        return stamp(begun) + escape(held) + b"\n"

    def _marker(self, lost: tuple[int, int]) -> bytes:
        lines, size = lost
        why, self._why_lost = self._why_lost, ""
        return (
            stamp(time.time()) + f"[gavan] {lines} lines dropped ({size} bytes): {why}\n".encode()
        )

    def _write(self, data: bytes) -> None:
        if time.monotonic() < self._retry_at:
            self._lose(data)
            return
        try:
            self._open()
            written = os.write(self._descriptor, data)
            self._size += written
            if written < len(data):
                data = data[written:]
                self._size += os.write(self._descriptor, data)
            if self._size >= ROTATE_BYTES:
                self._rotate()
        except OSError as error:
            self._close()
            self._retry_at = time.monotonic() + RETRY_DISK_S
            self._lose(data, why=error.strerror or str(error))

    def _lose(self, data: bytes, why: str = "") -> None:
        with self._guard:
            self._lost = (self._lost[0] + data.count(b"\n"), self._lost[1] + len(data))
            self._why_lost = why or self._why_lost
        if why:
            self._on_trouble(why)

    def _open(self) -> None:
        if self._descriptor >= 0:
            try:
                same = self.path.stat().st_ino == os.fstat(self._descriptor).st_ino
            except FileNotFoundError:
                same = False
            if same:
                return
            self._close()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self.path, flags, 0o600)
        self._size = os.fstat(self._descriptor).st_size
        self._on_trouble("")

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _rotate(self) -> None:
        """Move `x.log` to `x.log.1.gz` and the older ones up; the oldest goes."""
        self._close()
        for number in range(KEEP_FILES - 1, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}.gz")
            if older.exists():
                older.rename(self.path.with_name(f"{self.path.name}.{number + 1}.gz"))
        plain = self.path.with_name(f"{self.path.name}.1")
        self.path.rename(plain)
        packed = self.path.with_name(f"{self.path.name}.1.gz")
        with plain.open("rb") as source, gzip.open(packed, "wb", compresslevel=1) as target:
            shutil.copyfileobj(source, target, 1024 * 1024)
        plain.unlink()
        packed.chmod(0o600)


class LogWriter:
    """The thread that empties the rings of all log files."""

    def __init__(self, folder: Path, on_trouble: Callable[[str], None]) -> None:
        self._folder = folder
        self._report = on_trouble
        self._trouble = ""
        self._files: dict[str, LogFile] = {}
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def file(self, name: str) -> LogFile:
        """Return the log of a unit; the same object for the same name."""
        if name not in self._files:
            self._files[name] = LogFile(
                self._folder / f"{name}.log", self._on_trouble, self._wake.set
            )
        return self._files[name]

    def stop(self) -> None:
        """Write everything that is left and end the thread."""
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout=10)

    def _on_trouble(self, why: str) -> None:
        """Tell about a trouble once, and once when it is over."""
        if why != self._trouble:
            self._trouble = why
            self._report(why)

    def _run(self) -> None:
        while not self._stopping:
            files = list(self._files.values())
            pending = any(file.has_partial for file in files) or bool(self._trouble)
            self._wake.wait(PARTIAL_S / 2 if pending else None)
            flooded = any(file.is_flooded for file in files)
            time.sleep(FLOOD_PAUSE_S if flooded else PAUSE_S)
            self._wake.clear()
            for file in list(self._files.values()):
                file.drain()
        for file in self._files.values():
            with contextlib.suppress(OSError):
                file.drain(final=True)
