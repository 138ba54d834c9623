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

from gavan.kit.storage.provider import ProviderError, Written

BLOCK_BYTES = 1024 * 1024
"""What is written, hashed and copied at a time"""
BEHIND_BYTES = 16 * BLOCK_BYTES
"""How far the disk may stay behind what was written, until it is told to begin"""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_LINKS = {errno.EMLINK, errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}
_NO_RANGES = {errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM}


class Growing:
    """An open file with the MD5 of its bytes: what S3 calls an ETag.

    Args:
        path: the file; made when it is missing, and its folder too when ``makes_folder``.
        digest: of the bytes that are there already; None when nobody remembers.
    """

    def __init__(self, path: Path, digest: hashlib._Hash | None, *, makes_folder: bool) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            descriptor = os.open(path, flags, 0o600)
        except FileNotFoundError:
            if not makes_folder:
                raise
            make_folders(path.parent)
            descriptor = os.open(path, flags, 0o600)
        self._path = path
        self._file = io.FileIO(descriptor, "r+")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # another may still write to it
            self.size = self._begun = self._file.seek(0, os.SEEK_END)
        except BaseException:
            self._file.close()
            raise
        self.digest = digest

    def append(self, block: bytes | bytearray) -> None:
        """Add bytes."""
        left = memoryview(block)
        while left:
            left = left[self._file.write(left) or 0 :]
        if self.digest is not None:
            self.digest.update(block)
        self.size += len(block)
        if self.size - self._begun >= BEHIND_BYTES:
            # Begins the writing without waiting for it: the disk works while bytes still arrive.
            os.posix_fadvise(
                self._file.fileno(),
                self._begun,
                self.size - self._begun,
                os.POSIX_FADV_DONTNEED,
            )
            self._begun = self.size

    def append_file(self, path: Path) -> None:
        """Add a whole file, by the kernel alone where it can; the digest is lost."""
        self.digest = None
        with path.open("rb", buffering=0) as source:
            left = os.fstat(source.fileno()).st_size
            self.size += left
            while left:
                copied = _copy_range(source, self._file, min(left, BEHIND_BYTES))
                if not copied:
                    raise OSError(errno.EIO, "a part is shorter than it was")
                left -= copied

    def md5(self) -> str:
        """Return the digest in hex; read the file again when nobody remembers it."""
        if self.digest is None:
            self._file.seek(0)
            self.digest = hashlib.md5(usedforsecurity=False)
            while block := self._file.read(BLOCK_BYTES):
                self.digest.update(block)
        return self.digest.hexdigest()

    def close(self) -> int:
        """Sync and close; return the size."""
        with self._file:
            os.fsync(self._file.fileno())
        return self.size

    def publish(self, target: Path) -> None:
        """Sync, close, and give the file its name, durably; on an error it keeps the one it has."""
        self.close()
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
        self._file.close()

    def abandon(self) -> None:
        """Close and remove the file."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def build(staged: Path, sources: Sequence[Path], target: Path) -> int:
    """Make one durable file of the bytes of several; return its size."""
    made = Growing(staged, None, makes_folder=True)
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
    grown = Growing(path, None, makes_folder=False)
    try:
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
