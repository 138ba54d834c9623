"""Bytes of objects into the store that all backups share, and the lists of one backup.

Stands between the rows of a snapshot and the folder ``objects``. A version's bytes never change, so
what an earlier backup stored is not read again. Two lists: ``objects.idx`` says which object is
which stored bytes and is sealed like the rest; ``objects.list`` has the stored bytes alone, in
clear, so that a host without the private key can verify and prune.
"""

from __future__ import annotations

import ctypes
import gzip
import hashlib
import itertools
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeVar

import orjson

from gavan.backups.blobs import Blobs
from gavan.backups.blocks import BLOCK_BYTES
from gavan.backups.known import Known, StoredBlob
from gavan.backups.layout import Repository
from gavan.backups.model import Heard, ObjectTotals, StoredFile
from gavan.backups.sealing import Clear, Opener, Reader, Sealer
from gavan.backups.snapshot import ObjectRow
from gavan.backups.stop import Stop
from gavan.backups.stored import Storing
from gavan.backups.streams import opened_gzip, sealed_gzip
from gavan.kit.errors import GavanError
from gavan.kit.storage.disk import make_folders
from gavan.kit.storage.provider import BlobMissing

T = TypeVar("T")
INDEX = "objects.idx"
LIST = "objects.list"
STAGING = ".staging"
AT_ONCE = 4096
"""Objects that reach the disk together"""
THREADS = 2
"""More wait for one another: most of the work on a small object is Python's"""
SLICE = 64
"""Objects that a thread takes at a time: a hand-over for each costs more than copying it"""
NAMED_ABSENT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """An object of a backup; ``blob`` None: its bytes were not there."""

    bucket: str
    name: str
    version: str
    blob: StoredBlob | None


@dataclass(slots=True, kw_only=True)
class Copied:
    """What the objects of one backup are: totals, its two lists, names of the first absent."""

    totals: ObjectTotals
    files: list[StoredFile]
    absent: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Staged:
    """Bytes in the staging folder, and what they are."""

    path: str
    blob: StoredBlob


@dataclass(slots=True, kw_only=True)
class _Count:
    count: int = 0
    bytes: int = 0
    new_bytes: int = 0
    absent: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, entry: IndexEntry) -> None:
        self.count += 1
        if entry.blob is not None:
            self.bytes += entry.blob.bytes
            return
        self.absent += 1
        if len(self.names) < NAMED_ABSENT:
            self.names.append(f"{entry.bucket}/{entry.name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectStore:
    """What copying needs: from where, to where, sealed how, until when, and who hears of it."""

    repository: Repository
    blobs: Blobs
    sealer: Sealer
    known: Known
    stop: Stop
    heard: Heard
    numbers: Iterator[int] = field(default_factory=itertools.count)
    """Names of files on their way in"""

    def copy(self, rows: Iterable[ObjectRow], folder: Path) -> Copied:
        """Store what is new of ``rows`` and write the two lists into ``folder``.

        When it returns, everything that the lists name is on the disk.
        """
        counted = _Count()
        staging = self.repository.objects / STAGING
        shutil.rmtree(staging, ignore_errors=True)
        make_folders(staging)
        try:
            with (
                ThreadPoolExecutor(THREADS, thread_name_prefix="objects") as pool,
                sealed_gzip(folder, f"{INDEX}.gz", self.sealer) as (index, below),
                sealed_gzip(folder, f"{LIST}.gz", Clear()) as (listed, beside),
            ):
                for chunk in chunks(rows, AT_ONCE):
                    self.stop.check()
                    entries = self._chunk(pool, chunk, counted)
                    _write(entries, index, listed)
            # The bytes are there; now their names are, too.
            sync_all(self.repository.objects)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return Copied(
            totals=ObjectTotals(
                count=counted.count,
                bytes=counted.bytes,
                new_bytes=counted.new_bytes,
                absent=counted.absent,
            ),
            files=[below.result(), beside.result()],
            absent=counted.names,
        )

    def _chunk(
        self, pool: ThreadPoolExecutor, rows: list[ObjectRow], counted: _Count
    ) -> list[IndexEntry]:
        sealing = sealing_id(self.sealer)
        known = self.known.blobs({row.version for row in rows}, sealing)
        found = {version: blob for version, blob in known.items() if self._is_there(blob)}
        new = dict.fromkeys(row.version for row in rows if row.version not in found)
        staged: dict[str, _Staged | None] = {}
        size = counted.new_bytes
        for version, made in itertools.chain.from_iterable(
            pool.map(self._stage_all, chunks(new, SLICE))
        ):
            staged[version] = made
            size += made.blob.stored_bytes if made else 0
            self.heard(size)
        fresh = self._settle({v: made for v, made in staged.items() if made}, sealing)
        counted.new_bytes += sum(blob.stored_bytes for blob in fresh.values())
        found |= fresh
        entries = [
            IndexEntry(
                bucket=row.bucket,
                name=row.name,
                version=row.version,
                blob=found.get(row.version),
            )
            for row in rows
        ]
        for entry in entries:
            counted.add(entry)
        return entries

    def _is_there(self, blob: StoredBlob) -> bool:
        """Say whether the file of what is known is still there, and as large."""
        try:
            return self.repository.object_path(blob.stored).stat().st_size == blob.stored_bytes
        except FileNotFoundError:
            return False

    def _stage_all(self, versions: Sequence[str]) -> list[tuple[str, _Staged | None]]:
        return [(version, self._stage(version)) for version in versions]

    def _stage(self, version: str) -> _Staged | None:
        """Read a version into the staging folder, sealed; None when it has no bytes."""
        self.stop.check()
        path = f"{self.repository.root}/objects/{STAGING}/{next(self.numbers)}"
        try:
            with self.blobs.reading(version) as source:
                made = Storing(path)
                try:
                    # In clear both digests are the same: one is enough.
                    reader = _Hashing(source) if self.sealer.method != Clear.method else None
                    self.sealer.seal(reader or source, made)
                    made.finish(sync=False)
                except BaseException:
                    made.abandon()
                    raise
        except BlobMissing:
            return None
        stored = made.sha256
        blob = StoredBlob(
            stored=stored,
            stored_bytes=made.size,
            clear=reader.sha256 if reader else stored,
            bytes=reader.size if reader else made.size,
        )
        return _Staged(path=path, blob=blob)

    def _settle(self, staged: dict[str, _Staged], sealing: str) -> dict[str, StoredBlob]:
        """Give staged files their names once all of them are on the disk."""
        if not staged:
            return {}
        twins = self.known.same_bytes({made.blob.clear for made in staged.values()}, sealing)
        # One call for all: a sync for each file would cost more than copying it.
        sync_all(self.repository.objects)
        kept: dict[str, StoredBlob] = {}
        for version, made in staged.items():
            twin = twins.get(made.blob.clear)
            if twin is not None and twin.stored != made.blob.stored and self._is_there(twin):
                Path(made.path).unlink()
                kept[version] = twin
                continue
            _move(Path(made.path), self.repository.object_path(made.blob.stored))
            kept[version] = made.blob
        self.known.remember(sealing, kept.items())
        return kept


class _Hashing:
    """Counts and hashes what is read through it."""

    def __init__(self, source: Reader) -> None:
        self._source = source
        self._digest = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        block = self._source.read(size if size > 0 else BLOCK_BYTES)
        self._digest.update(block)
        self.size += len(block)
        return block

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def sealing_id(sealer: Sealer) -> str:
    """Return a name for who can open what a sealer seals: others need it sealed again."""
    people = "\n".join([sealer.method, *sorted(sealer.fingerprints)])
    return hashlib.sha256(people.encode()).hexdigest()[:16]


def read_list(folder: Path, files: Iterable[StoredFile]) -> Iterator[tuple[str, int]]:
    """Walk the digests and sizes of the stored bytes that a backup needs; none without objects.

    Raises GavanError GV401 when the list is damaged.
    """
    if not any(file.path == f"{LIST}.gz" for file in files):
        return
    path = folder / f"{LIST}.gz"
    try:
        with gzip.open(path, "rt", encoding="ascii") as lines:
            for line in lines:
                sha256, _, size = line.strip().partition(" ")
                yield sha256, int(size)
    except (OSError, EOFError, ValueError) as error:
        raise GavanError(
            "GV401",
            f"the list of objects {path} cannot be used",
            details=str(error),
            hint="use another backup: gavan backup list",
        ) from error


def read_index(folder: Path, files: Iterable[StoredFile], opener: Opener) -> Iterator[IndexEntry]:
    """Walk the objects of a backup; none when it has no objects.

    Raises GavanError GV412 for a wrong key, GV401 when the index is damaged.
    """
    name = next((file.path for file in files if file.path.startswith(f"{INDEX}.gz")), None)
    if name is None:
        return
    with opened_gzip(folder / name, opener) as lines:
        for line in lines:
            said = orjson.loads(line)
            blob = None
            if said.get("stored"):
                blob = StoredBlob(
                    stored=said["stored"],
                    stored_bytes=said["stored_bytes"],
                    clear=said["sha256"],
                    bytes=said["bytes"],
                )
            yield IndexEntry(
                bucket=said["bucket"], name=said["name"], version=said["version"], blob=blob
            )


def _move(path: Path, target: Path) -> None:
    try:
        path.replace(target)
    except FileNotFoundError:
        target.parent.mkdir(mode=0o700, exist_ok=True)
        path.replace(target)


def _write(entries: Iterable[IndexEntry], index: IO[bytes], listed: IO[bytes]) -> None:
    seen: set[str] = set()
    for entry in entries:
        said: dict[str, object] = {
            "bucket": entry.bucket, "name": entry.name, "version": entry.version,
        }  # fmt: skip
        blob = entry.blob
        if blob is not None:
            said |= {"sha256": blob.clear, "bytes": blob.bytes, "stored": blob.stored,
                     "stored_bytes": blob.stored_bytes}  # fmt: skip
            if blob.stored not in seen:
                listed.write(f"{blob.stored} {blob.stored_bytes}\n".encode())
                seen.add(blob.stored)
        index.write(orjson.dumps(said) + b"\n")


def chunks(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """Cut into lists of ``size``, the last one shorter."""
    left = iter(rows)
    while chunk := list(itertools.islice(left, size)):
        yield chunk


def sync_all(folder: Path) -> None:
    """Make everything that was written to the file system of ``folder`` outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(folder))
    finally:
        os.close(descriptor)
