"""Objects from the backups back to where the stack keeps its bytes.

Stands between the store of objects and the storage of a stack. Nothing is ever overwritten: a
version's bytes never change, so what is there is right, and what a restored row needs is added.
"""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol
from uuid import uuid4

from gavan.backups.layout import Repository
from gavan.backups.objects import IndexEntry, sync_all
from gavan.backups.sealing import Opener, Writer
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from gavan.kit.storage.blob import blob_key
from gavan.kit.storage.disk import make_folders
from gavan.kit.storage.files import STAGING
from gavan.kit.storage.provider import BlobMissing
from gavan.kit.storage.s3_client import Bucket
from gavan.kit.storage.s3_settings import read_s3_environ
from gavan.stack.model import Stack

THREADS = 4
AT_ONCE = 512
IN_MEMORY = 16 * 1024 * 1024
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
        self._moves: list[tuple[Path, Path]] = []

    def has(self, version: str) -> bool:
        return (self._root / blob_key(version)).is_file()

    def add(self, version: str, fill: Fill) -> None:
        staged = self._root / STAGING / str(uuid4())
        make_folders(staged.parent)
        try:
            with staged.open("xb") as file:
                staged.chmod(0o600)
                fill(file)
        except BaseException:
            staged.unlink(missing_ok=True)
            raise
        self._moves.append((staged, self._root / blob_key(version)))

    def settle(self) -> None:
        moves, self._moves = self._moves, []
        if not moves:
            return
        # One call for all: a sync for each file would cost more than copying it.
        sync_all(self._root)
        for staged, target in moves:
            make_folders(target.parent)
            staged.rename(target)
        sync_all(self._root)


class S3Target:
    """The bucket of gavan/kit/storage/s3.py."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def has(self, version: str) -> bool:
        try:
            self._bucket.size(blob_key(version))
        except BlobMissing:
            return False
        return True

    def add(self, version: str, fill: Fill) -> None:
        # In a nameless file when it is large: the S3 has to be told the length first.
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
            fill(file)
            file.seek(0)
            self._bucket.put(blob_key(version), file)

    def settle(self) -> None:
        """An S3 has what it has answered for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """The stored bytes of a repository, and what opens them."""

    repository: Repository
    opener: Opener

    def fill(self, entry: IndexEntry, target: Writer) -> None:
        """Write the clear bytes of an object; raise GavanError GV438 unless they are its own."""
        blob = entry.blob
        if blob is None:
            raise _gone(entry, "the backup was made without them")
        checked = _Checked(target)
        try:
            with self.repository.object_path(blob.stored).open("rb") as sealed:
                self.opener.open(sealed, checked)
        except FileNotFoundError as error:
            raise _gone(entry, "the file is missing in the backups") from error
        except OSError as error:
            # What no system call says, the library that opens says of what it opens.
            if error.errno is not None:
                raise
            raise _gone(entry, f"the file in the backups is damaged: {error}") from error
        if checked.sha256 != blob.clear:
            raise _gone(entry, "the file in the backups is damaged")


def target_of(stack: Stack) -> Target:
    """Return where the stack keeps the bytes of its objects."""
    variables = {
        name: value.reveal() if isinstance(value, Secret) else value
        for name, value in stack.core.storage.items()
    }
    if variables.get("STORAGE_BACKEND") == "s3":
        return S3Target(Bucket(read_s3_environ(variables)))
    return FolderTarget(stack.state_dir / "storage")


def put_back(
    shelf: Shelf, entries: Iterable[IndexEntry], target: Target, heard: Callable[[int], None]
) -> PutBack:
    """Add the bytes that ``target`` does not have; ``heard`` is told how many objects are done.

    What no backup has is counted and does not stop the others. Errors of the disk and of the S3 do.
    """
    found = PutBack()
    done = 0
    with ThreadPoolExecutor(THREADS, thread_name_prefix="put-back") as pool:
        for chunk in _chunks(entries):
            by_version = {entry.version: entry for entry in chunk}
            for entry, size in pool.map(
                lambda entry: (entry, _one(shelf, entry, target)), by_version.values()
            ):
                _count(found, entry, size)
            target.settle()
            done += len(chunk)
            heard(done)
    return found


def _one(shelf: Shelf, entry: IndexEntry, target: Target) -> int | None:
    """Return how many bytes were added, -1 when they were there, None when they are lost."""
    try:
        if target.has(entry.version):
            return -1
        target.add(entry.version, lambda writer: shelf.fill(entry, writer))
    except (BlobMissing, GavanError) as error:
        if error.code not in _LOST:
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


class _Checked:
    """Hashes what is written through it."""

    def __init__(self, target: Writer | IO[bytes]) -> None:
        self._target = target
        self._digest = hashlib.sha256()

    def write(self, block: bytes) -> int:
        self._digest.update(block)
        self._target.write(block)
        return len(block)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def _gone(entry: IndexEntry, why: str) -> GavanError:
    return GavanError("GV438", f"no bytes of {entry.bucket}/{entry.name}: {why}")


def _chunks(entries: Iterable[IndexEntry]) -> Iterator[list[IndexEntry]]:
    left = iter(entries)
    while chunk := list(itertools.islice(left, AT_ONCE)):
        yield chunk
