"""Objects from the backups back to where the stack keeps its bytes.

Stands between the store of objects and the storage of a stack. Nothing is ever overwritten: a
version's bytes never change, so what is there is right, and what a restored row needs is added.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol, cast
from uuid import uuid4

from gavan.backups.layout import Repository
from gavan.backups.objects import IndexEntry, chunks, sync_all
from gavan.backups.sealing import Opener, Reader, Writer
from gavan.backups.stored import digest
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from gavan.kit.storage.blob import blob_key
from gavan.kit.storage.disk import make_folders
from gavan.kit.storage.files import STAGING
from gavan.kit.storage.provider import BlobMissing
from gavan.stack.model import Stack

THREADS = 4
AT_ONCE = 4096
"""Objects that reach the disk together"""
SLICE = 32
"""Objects that a thread takes at a time: a hand-over for each costs more than copying it"""
NAMED = 20

Fill = Callable[[Writer], None]


class Target(Protocol):
    """Where bytes go, by version."""

    def has(self, version: str) -> bool:
        """Say whether the bytes are there."""

    def add(self, version: str, fill: Fill) -> None:
        """Take bytes; they count when ``settle`` has returned. ``fill`` may raise: none are."""

    def settle(self) -> None:
        """Make all that was added outlive a power cut."""


@dataclass(slots=True, kw_only=True)
class PutBack:
    """What came of it. ``lost`` are the first names whose bytes are in no backup or damaged."""

    added: int = 0
    added_bytes: int = 0
    there: int = 0
    lost_count: int = 0
    lost: list[str] = field(default_factory=list)

    def lose(self, entry: IndexEntry) -> None:
        self.lost_count += 1
        if len(self.lost) < NAMED:
            self.lost.append(f"{entry.bucket}/{entry.name}")


class FolderTarget:
    """The folder of gavan/kit/storage/files.py, which may be in use."""

    def __init__(self, root: Path) -> None:
        self._root = root
        # Nobody else's names, whoever stages there at the same time.
        self._staged = f"{root / STAGING}/{uuid4()}"
        self._numbers = itertools.count()
        self._moves: list[tuple[Path, Path]] = []
        make_folders(root / STAGING)

    def has(self, version: str) -> bool:
        return Path(f"{self._root}/{blob_key(version)}").is_file()

    def add(self, version: str, fill: Fill) -> None:
        staged = Path(f"{self._staged}-{next(self._numbers)}")
        target = Path(f"{self._root}/{blob_key(version)}")
        try:
            with io.FileIO(staged, "xb", opener=_own) as file:
                fill(_Whole(file))
        except BaseException:
            staged.unlink(missing_ok=True)
            raise
        self._moves.append((staged, target))

    def settle(self) -> None:
        moves, self._moves = self._moves, []
        if not moves:
            return
        # One call for all: a sync for each file would cost more than copying it.
        sync_all(self._root)
        for staged, target in moves:
            try:
                staged.rename(target)
            except FileNotFoundError:
                target.parent.mkdir(mode=0o700, exist_ok=True)
                staged.rename(target)
        sync_all(self._root)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """The stored bytes of a repository, and what opens them.

    ``proves``: also what the target has is read in the store, and damage there is an error.
    """

    repository: Repository
    opener: Opener
    proves: bool = False

    def fill(self, entry: IndexEntry, target: Writer) -> None:
        """Write the clear bytes of an object; raise GavanError GV438 unless they are its own."""
        blob = entry.blob
        if blob is None:
            raise _gone(entry, "the backup was made without them")
        checked = _Checked(target)
        try:
            with io.FileIO(self.repository.object_path(blob.stored)) as sealed:
                self.opener.open(cast(Reader, sealed), checked)
        except FileNotFoundError as error:
            raise _gone(entry, "the file is missing in the backups") from error
        except OSError as error:
            # What no system call says, the library that opens says of what it opens.
            if error.errno is not None:
                raise
            raise _gone(entry, f"the file in the backups is damaged: {error}") from error
        if checked.sha256 != blob.clear:
            raise _gone(entry, "the file in the backups is damaged")

    def prove(self, entry: IndexEntry) -> None:
        """Read the stored bytes of an object; raise GavanError GV438 unless they are its own."""
        if entry.blob is None:
            return
        try:
            found = digest(self.repository.object_path(entry.blob.stored))
        except OSError as error:
            raise _gone(entry, f"the file cannot be read: {error.strerror}") from error
        if found.sha256 != entry.blob.stored:
            raise _gone(entry, "the file in the backups is damaged")


def target_of(stack: Stack) -> Target:
    """Return where the stack keeps the bytes of its objects."""
    variables = {
        name: value.reveal() if isinstance(value, Secret) else value
        for name, value in stack.core.storage.items()
    }
    if variables.get("STORAGE_BACKEND") == "s3":
        # boto3 is slow to load, and most stacks keep their bytes in a folder.
        from gavan.backups.put_back_s3 import S3Target  # noqa: PLC0415 - as said

        return S3Target.of(variables)
    return FolderTarget(stack.state_dir / "storage")


def put_back(
    shelf: Shelf, entries: Iterable[IndexEntry], target: Target, heard: Callable[[int], None]
) -> PutBack:
    """Add the bytes that ``target`` does not have; ``heard`` is told how many objects are done.

    What no backup has is counted and does not stop the others; nor does what is damaged, unless the
    shelf proves. Errors of the disk and of the S3 do.
    """
    found = PutBack()
    done = 0

    def add(slice_: Sequence[IndexEntry]) -> list[tuple[IndexEntry, int | None]]:
        return [(entry, _one(shelf, entry, target)) for entry in slice_]

    with ThreadPoolExecutor(THREADS, thread_name_prefix="put-back") as pool:
        for chunk in chunks(entries, AT_ONCE):
            # One object for each version: two rows may share one.
            by_version = {entry.version: entry for entry in chunk}
            for added in pool.map(add, chunks(by_version.values(), SLICE)):
                for entry, size in added:
                    _count(found, entry, size)
                heard(done := done + len(added))
            target.settle()
    return found


def _one(shelf: Shelf, entry: IndexEntry, target: Target) -> int | None:
    """Return how many bytes were added, -1 when they were there, None when they are lost."""
    try:
        if target.has(entry.version):
            if shelf.proves:
                shelf.prove(entry)
            return -1
        target.add(entry.version, lambda writer: shelf.fill(entry, writer))
    except (BlobMissing, GavanError) as error:
        if error.code not in _LOST or (shelf.proves and entry.blob is not None):
            raise
        return None
    return entry.blob.bytes if entry.blob else 0


_LOST = frozenset({"GV438", "GV731"})


def _count(found: PutBack, entry: IndexEntry, size: int | None) -> None:
    if size is None:
        found.lose(entry)
    elif size < 0:
        found.there += 1
    else:
        found.added += 1
        found.added_bytes += size


def _own(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class _Whole:
    """Writes all of a block, which a bare file need not do."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file

    def write(self, block: bytes | memoryview) -> int:
        left = memoryview(block)
        while left:
            left = left[self._file.write(left) or 0 :]
        return len(block)


class _Checked:
    """Hashes what is written through it."""

    def __init__(self, target: Writer | IO[bytes]) -> None:
        self._target = target
        self._digest = hashlib.sha256()

    def write(self, block: bytes | memoryview) -> int:
        self._digest.update(block)
        self._target.write(block)
        return len(block)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def _gone(entry: IndexEntry, why: str) -> GavanError:
    return GavanError("GV438", f"no bytes of {entry.bucket}/{entry.name}: {why}")
