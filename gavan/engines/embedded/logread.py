"""Read the logs of units back: since a moment, matching a pattern, merged by time, following.

Stands on the verbs' side; it reads the files that `logs.py` writes and asks nobody.
"""

from __future__ import annotations

import gzip
import heapq
import os
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

POLL_S = 0.1
STAMP_CHARS = 24
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """``at`` is RFC 3339 in UTC with milliseconds, so its text sorts as time does."""

    at: str
    unit: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which lines: after ``since``, matching ``grep``, at most the last ``last`` of each unit."""

    since: str = ""
    grep: re.Pattern[str] | None = None
    last: int | None = None

    def takes(self, line: Line) -> bool:
        return line.at >= self.since and (self.grep is None or bool(self.grep.search(line.text)))


def parse_since(text: str, now: datetime) -> str:
    """Return `10m`, `2h` or a moment in ISO form as a line's stamp; raise ValueError."""
    span = _SPAN.fullmatch(text)
    if span:
        at = now.timestamp() - float(span[1]) * _SECONDS[span[2]]
        moment = datetime.fromtimestamp(at, UTC)
    else:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def plain(text: str) -> str:
    """Return text without the colour codes of terminals."""
    return _ANSI.sub("", text)


def units_with_logs(folder: Path) -> list[str]:
    """Return the names of units that have printed something."""
    return sorted({path.name.partition(".log")[0] for path in folder.glob("*.log*")})


def parse(unit: str, raw: str) -> Line:
    """Return one line of a file; one without a stamp keeps its text and sorts first."""
    if _STAMP.match(raw):
        return Line(raw[:STAMP_CHARS], unit, raw[STAMP_CHARS + 1 :])
    return Line("", unit, raw)


def read(folder: Path, unit: str, query: Query) -> Iterable[Line]:
    """Return the kept lines of a unit, old files first."""
    lines = (
        line for path in _files(folder, unit) for line in _lines(path, unit) if query.takes(line)
    )
    return deque(lines, query.last) if query.last is not None else lines


def read_merged(folder: Path, units: Iterable[str], query: Query) -> Iterator[Line]:
    """Yield the lines of several units in the order of time."""
    return heapq.merge(*(read(folder, unit, query) for unit in units), key=lambda line: line.at)


def _files(folder: Path, unit: str) -> list[Path]:
    packed = sorted(
        folder.glob(f"{unit}.log.*.gz"),
        key=lambda path: int(path.name.split(".")[-2]),
        reverse=True,
    )
    plain_files = [folder / f"{unit}.log.1", folder / f"{unit}.log"]
    return [*packed, *(path for path in plain_files if path.is_file())]


def _lines(path: Path, unit: str) -> Iterator[Line]:
    with suppress(FileNotFoundError, EOFError):  # rotated away while we looked
        opened = gzip.open(path, "rt") if path.suffix == ".gz" else path.open("rt")  # noqa: SIM115 - on the next line
        with opened as stream:
            for raw in stream:
                yield parse(unit, raw.rstrip("\n"))


class Follower:
    """What units print from now on; survives rotation."""

    def __init__(self, folder: Path, units: Iterable[str]) -> None:
        self._folder = folder
        self._open: dict[str, tuple[int, int, bytes]] = {}
        for unit in units:
            path = folder / f"{unit}.log"
            facts = path.stat() if path.exists() else None
            self._open[unit] = (facts.st_ino, facts.st_size, b"") if facts else (0, 0, b"")

    def poll(self) -> list[Line]:
        """Return what has come since the last call, in the order of time."""
        found: list[Line] = []
        for unit in self._open:
            found.extend(self._poll(unit))
        return sorted(found, key=lambda line: line.at)

    def _poll(self, unit: str) -> Iterator[Line]:
        inode, offset, held = self._open[unit]
        with suppress(FileNotFoundError), (self._folder / f"{unit}.log").open("rb") as stream:
            size = stream.seek(0, 2)
            now = os.fstat(stream.fileno()).st_ino
            if now != inode or size < offset:
                inode, offset, held = now, 0, b""
            stream.seek(offset)
            data = held + stream.read()
            whole, _, held = data.rpartition(b"\n")
            self._open[unit] = (inode, stream.tell(), held)
            for raw in whole.decode("utf-8", "replace").splitlines():
                yield parse(unit, raw)


def follow(follower: Follower, query: Query) -> Iterator[Line]:
    """Yield new lines for ever."""
    while True:
        yield from (line for line in follower.poll() if query.takes(line))
        time.sleep(POLL_S)
