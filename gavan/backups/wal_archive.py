"""The archive of the write-ahead log: finished segments, compressed, sealed, never written twice.

    wal/<timeline>/<segment>.gz[.age]     one segment
    wal/index.jsonl                       a line for each: what it holds and when it ended

Stands beside the layout; the unit that receives writes here, recovery reads. A line is added only
when its file is on the disk.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import itertools
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from gavan.backups.layout import Repository
from gavan.backups.model import StoredFile
from gavan.backups.sealing import Opener, Sealer
from gavan.backups.stored import digest
from gavan.backups.streams import opened_gzip, sealed_gzip
from gavan.kit.errors import GavanError
from gavan.kit.storage.disk import make_folders, sync_folder

SEGMENT_BYTES = 16 * 1024 * 1024
"""wal_segment_size of a cluster that initdb made without being asked for another"""
PER_LOG = 0x1_0000_0000 // SEGMENT_BYTES
INDEX = "index.jsonl"
BLOCK_BYTES = 1024 * 1024
_SEGMENT = re.compile(r"[0-9A-F]{24}")
_HISTORY = re.compile(r"[0-9A-F]{8}\.history")
_STORED = re.compile(r"[0-9A-F]{8}([0-9A-F]{16}|\.history)\.gz(\.age|\.gpg)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One file of the archive. ``clear`` is the digest of the segment itself, ``sha256`` that of
    the stored bytes; ``ended`` when its last record was there. ``left``, of a history file: the
    timelines before it, and at which position each was left."""

    name: str
    file: str
    bytes: int
    sha256: str
    clear: str
    ended: datetime
    left: tuple[tuple[int, str], ...] = ()

    @property
    def timeline(self) -> int:
        return int(self.name[:8], 16)

    @property
    def number(self) -> int:
        """Its place among the segments of all timelines."""
        return segment_number(self.name)


def is_segment(name: str) -> bool:
    """Say whether this is the name of a whole segment."""
    return _SEGMENT.fullmatch(name) is not None


def is_history(name: str) -> bool:
    """Say whether this is the name of the file that tells where a timeline came from."""
    return _HISTORY.fullmatch(name) is not None


def wal_key(segment: Segment) -> str:
    """Return the key of a segment at the second place, as the folder here has it."""
    return f"wal/{segment.timeline:08X}/{segment.file}"


def segment_number(name: str) -> int:
    return int(name[8:16], 16) * PER_LOG + int(name[16:24], 16)


def number_of_lsn(lsn: str) -> int:
    """Return the number of the segment that holds a position such as ``0/16B3748``."""
    high, low = (int(part, 16) for part in lsn.split("/"))
    return (high << 32 | low) // SEGMENT_BYTES


class WalArchive:
    """The archive of one folder of backups."""

    def __init__(self, repository: Repository) -> None:
        self._root = repository.root / "wal"
        self._repository = repository

    @property
    def index(self) -> Path:
        return self._root / INDEX

    def stamp(self) -> tuple[int, int]:
        """Return what changes with the index: its size and its date in nanoseconds."""
        try:
            facts = self.index.stat()
        except FileNotFoundError:
            return (0, 0)
        return facts.st_size, facts.st_mtime_ns

    def segments(self) -> list[Segment]:
        """Return what the index has, in the order of the log; a torn last line is not there."""
        try:
            return read_index(self.index.read_bytes())
        except FileNotFoundError:
            return []

    def path(self, segment: Segment) -> Path:
        return self._repository.wal_dir(segment.timeline) / segment.file

    def add(self, source: Path, sealer: Sealer) -> Segment | None:
        """Take a finished segment, or a history file; None when it was there.

        Raises:
            GavanError: GV451 another segment of that name is in the archive; it is not touched.
        """
        clear = digest(source)
        known = next((one for one in self.segments() if one.name == source.name), None)
        if known is not None and self.path(known).is_file():
            if known.clear == clear.sha256:
                return None
            raise _another(self.path(known), str(source))
        segment = self._store(source, clear, sealer)
        self._note(segment)
        return segment

    def take(self, segments: Iterable[Segment], bring: Callable[[Segment, Path], None]) -> None:
        """Take stored segments from elsewhere, those that are not here; ``bring`` writes one.

        Raises GavanError: GV451, and what ``bring`` raises; what came until then stays.
        """
        here = {one.name: one for one in self.segments() if self.path(one).is_file()}
        for segment in segments:
            known, path = here.get(segment.name), self.path(segment)
            if known is not None and known.clear != segment.clear:
                raise _another(self.path(known), "the second place")
            if known is None:
                make_folders(path.parent)
                draft = path.with_name(f".{segment.name}.partial")
                draft.unlink(missing_ok=True)
                bring(segment, draft)
                draft.rename(path)
                sync_folder(path.parent)
                self._note(segment)

    def _store(self, source: Path, clear: StoredFile, sealer: Sealer) -> Segment:
        folder = self._repository.wal_dir(int(source.name[:8], 16))
        make_folders(folder)
        draft = f".{source.name}.partial"
        for left in folder.glob(f"{draft}*"):
            left.unlink()
        with sealed_gzip(folder, draft, sealer) as (packed, below), source.open("rb") as segment:
            shutil.copyfileobj(segment, packed, BLOCK_BYTES)
        stored = below.result()
        name = f"{source.name}.gz{sealer.suffix}"
        (folder / stored.path).rename(folder / name)
        sync_folder(folder)
        return Segment(
            name=source.name,
            file=name,
            bytes=stored.bytes,
            sha256=stored.sha256,
            clear=clear.sha256,
            ended=datetime.fromtimestamp(source.stat().st_mtime, UTC),
            left=_left(source) if is_history(source.name) else (),
        )

    def _note(self, segment: Segment) -> None:
        line = orjson.dumps(asdict(segment), option=orjson.OPT_APPEND_NEWLINE)
        path = self.index
        is_new = not path.exists()
        with self._locked(), path.open("ab") as index:
            # A line that a power cut tore must not swallow the next one.
            if index.tell() and not _ends_line(path):
                index.write(b"\n")
            index.write(line)
            index.flush()
            os.fsync(index.fileno())
        if is_new:
            sync_folder(self._root)

    def unpack(self, segment: Segment, opener: Opener, target: Path) -> None:
        """Write a segment as the server had it; raise GavanError GV452 when it is damaged."""
        hasher = hashlib.sha256()
        try:
            with opened_gzip(self.path(segment), opener) as clear, target.open("xb") as file:
                while block := clear.read(BLOCK_BYTES):
                    hasher.update(block)
                    file.write(block)
        except (OSError, EOFError, gzip.BadGzipFile) as error:
            raise _damaged(self.path(segment), str(error)) from error
        if hasher.hexdigest() != segment.clear:
            raise _damaged(self.path(segment), "it is not what was stored")

    def problems(self, segments: list[Segment]) -> Iterator[tuple[str, str]]:
        """Yield file and trouble of every segment whose stored bytes are not what they were."""
        for segment in segments:
            path = self.path(segment)
            name = str(path.relative_to(self._repository.root))
            if not path.is_file():
                yield name, "it is missing"
            elif digest(path).sha256 != segment.sha256:
                yield name, "it is not what was stored"

    def remove_before(self, number: int) -> int:
        """Remove the segments before ``number``; return the bytes that became free."""
        if not self._root.is_dir():
            return 0
        with self._locked():
            known = self.segments()
            gone = [one for one in known if one.number < number and is_segment(one.name)]
            self._write([one for one in known if one not in gone])
        for segment in gone:
            self.path(segment).unlink(missing_ok=True)
        return sum(segment.bytes for segment in gone)

    def _write(self, segments: list[Segment]) -> None:
        draft = self._root / f".{INDEX}"
        with draft.open("wb") as index:
            for segment in segments:
                index.write(orjson.dumps(asdict(segment), option=orjson.OPT_APPEND_NEWLINE))
            index.flush()
            os.fsync(index.fileno())
        draft.replace(self.index)
        sync_folder(self._root)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let nobody else change the index; the kernel lets go of it when the process ends."""
        with (self._root / ".lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def read_index(content: bytes) -> list[Segment]:
    """Return what an index says, in the order of the log; what is no line of it is not there."""
    found: dict[str, Segment] = {}
    for line in content.splitlines():
        try:
            segment = _segment(**orjson.loads(line))
            found[segment.name] = segment
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            continue
    return sorted(found.values(), key=lambda one: (one.timeline, one.name))


def gaps(segments: list[Segment]) -> list[tuple[Segment, Segment]]:
    """Return the neighbours between which segments are missing; on one timeline, in order."""
    whole = [one for one in segments if is_segment(one.name)]
    return [(a, b) for a, b in itertools.pairwise(whole)
            if a.timeline == b.timeline and b.number != a.number + 1]  # fmt: skip


def _left(history: Path) -> tuple[tuple[int, str], ...]:
    """Return timelines and positions; lines are ``id <tab> position <tab> reason``.

    (postgres: src/backend/access/transam/timeline.c)
    """
    lines = history.read_text(encoding="utf-8", errors="replace").splitlines()
    words = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    return tuple((int(word[0]), word[1]) for word in words)


def _segment(
    name: str, file: str, ended: str, left: Sequence[Sequence[Any]] = (), **facts: Any
) -> Segment:
    """Return what a line says; raise ValueError for names that lead out of the archive.

    What writes to the folder of backups may write any line, and files go by their names.
    """
    if not (is_segment(name) or is_history(name)) or not _STORED.fullmatch(file):
        raise ValueError(file)
    if file.partition(".gz")[0] != name:
        raise ValueError(file)
    before = tuple((int(timeline), str(lsn)) for timeline, lsn in left)
    # Whoever reads it later need not doubt it.
    for _, lsn in before:
        number_of_lsn(lsn)
    return Segment(name=name, file=file, ended=datetime.fromisoformat(ended), left=before, **facts)


def _ends_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _another(path: Path, source: str) -> GavanError:
    return GavanError(
        "GV451",
        f"the archive of the WAL has another {path.name.partition('.')[0]} than {source}",
        details=f"{path} was written by another server, or before the data were made anew;"
        " neither was touched",
        hint="one server, one folder: another [backup] dir, or move its folder wal aside",
    )


def _damaged(path: Path, why: str) -> GavanError:
    return GavanError(
        "GV452",
        f"the segment {path} of the WAL cannot be used: {why}",
        hint="recover to a time before it, or fetch it from the second place: gavan backup fetch",
        exit_code=5,
    )
