"""A file on its way into a backup: counted and hashed as it is written, synced before it counts.

Stands under everything that writes into a backup's folder.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
from pathlib import Path

from gavan.backups.blocks import blocks
from gavan.backups.model import StoredFile
from gavan.backups.sealing import Reader, Sealer
from gavan.kit.errors import GavanError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Storing:
    """A new file; ``finish`` syncs it and says what it holds, ``abandon`` removes it."""

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self._file = io.FileIO(path, "xb")
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, block: bytes | memoryview) -> int:
        left = memoryview(block)
        while left:
            left = left[self._file.write(left) or 0 :]
        self._digest.update(block)
        self.size += len(block)
        return len(block)

    @property
    def sha256(self) -> str:
        """The digest of what was written until now."""
        return self._digest.hexdigest()

    def finish(self, *, sync: bool = True) -> None:
        """Close; ``sync`` False: the caller syncs many at once."""
        if sync:
            os.fsync(self._file.fileno())
        self._file.close()

    def abandon(self) -> None:
        """Close and remove."""
        self._file.close()
        Path(self.path).unlink(missing_ok=True)


def store(folder: Path, name: str, reader: Reader, sealer: Sealer) -> StoredFile:
    """Write ``folder/name`` with the suffix of the sealer, sealed; return what was stored."""
    path = folder / f"{name}{sealer.suffix}"
    made = Storing(path)
    try:
        sealer.seal(reader, made)
        made.finish()
    except BaseException:
        made.abandon()
        raise
    return StoredFile(path=path.name, bytes=made.size, sha256=made.sha256)


def digest(path: Path) -> StoredFile:
    """Return what a file holds, by reading it; its path is its name alone."""
    total, size = hashlib.sha256(), 0
    with io.FileIO(path) as file:
        for block in blocks(file):
            total.update(block)
            size += len(block)
    return StoredFile(path=path.name, bytes=size, sha256=total.hexdigest())


def sync_file(path: Path) -> None:
    """Make what another program wrote outlive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_full(error: OSError) -> bool:
    """Say whether the disk, a quota or a limit of it is at its end."""
    return error.errno in _FULL


def disk_full(folder: Path, details: str) -> GavanError:
    """Return the error of a run that met the end of the disk."""
    return GavanError(
        "GV406",
        f"the disk of {folder} is full; this run left nothing, what was there before is untouched",
        details=details,
        hint="free some space, or: gavan backup prune",
    )
