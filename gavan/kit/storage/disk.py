"""What files.py lets its threads do: blocking calls on the disk, synced before they return.

A power cut after a return takes nothing back: the bytes are synced before the rename, and the
folder after it. Growing files need no journal: the file systems of Linux (ext4 in its ordered mode,
XFS, Btrfs) never show a size that covers bytes which did not reach the disk.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import io
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from gavan.kit.storage.pages import skipping, write_pages
from gavan.kit.storage.provider import ProviderError, Written
from gavan.kit.storage.threads import Pieces

BLOCK_BYTES = 1024 * 1024
"""What is written, hashed and copied at a time"""
MOST_PIECES = 64
"""A block of more of them is joined first"""
BEHIND_BYTES = 16 * BLOCK_BYTES
"""How far the disk may stay behind what was written, until it is told to begin"""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_LINKS = {errno.EMLINK, errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}
_NO_RANGES = {errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM}


class Growing:
    """A file that is written to its end, with the MD5 of its bytes: what S3 calls an ETag.

    Args:
        path: the file; opened by whatever comes first.
        digest: of the bytes that are there already; None when nobody remembers.
        is_new: nobody else knows of the file; otherwise its folder must exist, and whoever
            still writes to it is met with BlockingIOError.
    """

    def __init__(self, path: Path, digest: hashlib._Hash | None, *, is_new: bool) -> None:
        self._path = path
        self._is_new = is_new
        self._opened: io.FileIO | None = None
        self._begun = 0
        self.size = 0
        self.digest = digest

    def open(self) -> io.FileIO:
        """Return the open file; make it when it is missing."""
        if self._opened is None:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (os.O_EXCL if self._is_new else 0)
            try:
                descriptor = os.open(self._path, flags, 0o600)
            except FileNotFoundError:
                if not self._is_new:
                    raise
                make_folders(self._path.parent)
                descriptor = os.open(self._path, flags, 0o600)
            self._opened = io.FileIO(descriptor, "r+")
            if not self._is_new:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.size = self._begun = self._opened.seek(0, os.SEEK_END)
        return self._opened

    def append(self, block: Pieces) -> None:
        """Add bytes."""
        file = self.open()
        block = block if len(block) <= MOST_PIECES else [b"".join(block)]
        for left in skipping(block, write_pages(file.fileno(), block) if self._is_new else 0):
            while left:
                left = left[file.write(left) or 0 :]
        for piece in block:
            if self.digest is not None:
                self.digest.update(piece)
            self.size += len(piece)
        if self.size - self._begun >= BEHIND_BYTES:
            # Begins the writing without waiting for it: the disk works while bytes still arrive.
            behind = self.size - self._begun
            os.posix_fadvise(file.fileno(), self._begun, behind, os.POSIX_FADV_DONTNEED)
            self._begun = self.size

    def append_file(self, path: Path) -> None:
        """Add a whole file, by the kernel alone where it can; the digest is lost."""
        self.digest, file = None, self.open()
        with path.open("rb", buffering=0) as source:
            left = os.fstat(source.fileno()).st_size
            self.size += left
            while left:
                copied = _copy_range(source, file, min(left, BEHIND_BYTES))
                if not copied:
                    raise OSError(errno.EIO, "a part is shorter than it was")
                left -= copied

    def md5(self) -> str:
        """Return the digest in hex; read the file again when nobody remembers it."""
        if self.digest is None:
            file = self.open()
            file.seek(0)
            self.digest = hashlib.md5(usedforsecurity=False)
            while block := file.read(BLOCK_BYTES):
                self.digest.update(block)
        return self.digest.hexdigest()

    def finish(self, block: Pieces = ()) -> None:
        """Add the last bytes, sync, and close; what was never opened, or is closed, stays so."""
        if self._opened is None or self._opened.closed:
            return
        with self._opened as file:
            if block:
                self.append(block)
            os.fsync(file.fileno())

    def publish(self, target: Path, block: Pieces = ()) -> None:
        """Add the last bytes, sync, close, and give the file its name, durably.

        On an error it keeps the name it has.
        """
        self.open()
        self.finish(block)
        try:
            self._path.rename(target)
        except FileNotFoundError:
            make_folders(target.parent)
            self._path.rename(target)
        try:
            sync_folder(target.parent)
        except BaseException:
            target.rename(self._path)
            raise

    def release(self) -> None:
        """Close and keep the file."""
        if self._opened is not None:
            self._opened.close()

    def abandon(self) -> None:
        """Close and remove the file."""
        self.release()
        if self._opened is not None:
            self._path.unlink(missing_ok=True)


def build(staged: Path, sources: Sequence[Path], target: Path) -> int:
    """Make one durable file of the bytes of several; return its size."""
    made = Growing(staged, None, is_new=True)
    try:
        for source in sources:
            made.append_file(source)
        made.publish(target)
    except BaseException:
        made.abandon()
        raise
    return made.size


def link(source: Path, target: Path, staged: Path) -> None:
    """Give a file another name, durably; copy its bytes where the file system cannot."""
    make_folders(target.parent)
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        build(staged, [source], target)
        return
    sync_folder(target.parent)


def settle(path: Path, known: tuple[int, hashlib._Hash] | None, target: Path) -> Written:
    """Make a blob of a grown file; ``known`` is the digest of its first bytes, and how many."""
    grown = Growing(path, None, is_new=False)
    try:
        grown.open()
        if known is not None and known[0] == grown.size:
            grown.digest = known[1]
        written = Written(size=grown.size, etag=grown.md5())
        grown.publish(target)
    except BaseException:
        grown.release()
        raise
    return written


def make_folders(folder: Path) -> None:
    """Make a folder and those above it, for their owner alone, durably."""
    if folder.is_dir():
        return
    make_folders(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; a missing one counts as removed."""
    try:
        path.unlink(missing_ok=True)
    except IsADirectoryError:
        shutil.rmtree(path, onerror=_unless_missing)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be alone in a folder, among those who ask for this."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make what was named in a folder outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def translated(error: OSError) -> ProviderError:
    """Return the error that callers of a provider know; no path is in it."""
    hint = None
    if error.errno in _FULL:
        hint = "the disk of the storage folder is full, or a quota or limit of it is reached"
    elif isinstance(error, PermissionError):
        hint = "the storage folder must belong to the user who runs the core"
    elif isinstance(error, BlockingIOError):
        hint = "another request still writes to this upload"
    return ProviderError(type(error).__name__, details=error.strerror or str(error), hint=hint)


def is_missing(error: OSError) -> bool:
    """Say whether there is no file of that name: nothing, a folder, or a name that none can be."""
    kinds = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
    return isinstance(error, kinds) or error.errno == errno.ENAMETOOLONG


def _copy_range(source: io.FileIO, target: io.FileIO, most: int) -> int:
    try:
        return os.copy_file_range(source.fileno(), target.fileno(), most)
    except OSError as error:
        if error.errno not in _NO_RANGES:
            raise
    left = memoryview(source.read(min(most, BLOCK_BYTES)) or b"")
    size = len(left)
    while left:
        left = left[target.write(left) or 0 :]
    return size


def _unless_missing(
    _function: object, _path: str, info: tuple[object, BaseException, object]
) -> None:
    if not isinstance(info[1], FileNotFoundError):
        raise info[1]
