"""Blobs as files below one folder: written beside, synced, then renamed into place."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from pathlib import Path
from uuid import uuid4

from gavan.kit.storage.provider import BlobMissing, Found, ProviderError, Reading, Written

CHUNK_BYTES = 256 * 1024
GATHERED_BYTES = 1024 * 1024
STAGING = ".staging"


class Files:
    """A folder of blobs; made when first written to, for its owner alone."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def write(
        self, key: str, chunks: AsyncIterable[bytes], *, length: int | None = None
    ) -> Written:
        """Store a blob; see Provider."""
        del length
        target, staged = self._root / key, self._root / STAGING / str(uuid4())
        try:
            writing = await asyncio.to_thread(_Writing, staged)
            try:
                held = bytearray()
                async for chunk in chunks:
                    held += chunk
                    if len(held) >= GATHERED_BYTES:
                        await asyncio.to_thread(writing.write, bytes(held))
                        held.clear()
                await asyncio.to_thread(writing.finish, bytes(held), target)
            except BaseException:
                await asyncio.to_thread(writing.abandon)
                raise
        except OSError as error:
            raise _failed(error) from error
        return Written(size=writing.size, etag=writing.md5.hexdigest())

    async def read(self, key: str, *, first: int = 0, last: int | None = None) -> Reading:
        """Open a blob; see Provider."""
        try:
            return await asyncio.to_thread(_Reading, self._root / key, first, last)
        except FileNotFoundError as error:
            raise BlobMissing(key) from error
        except OSError as error:
            raise _failed(error) from error

    async def copy(self, source: str, target: str) -> None:
        """Link a blob; see Provider."""

        def link() -> None:
            into = self._root / target
            into.parent.mkdir(parents=True, exist_ok=True)
            os.link(self._root / source, into)
            _sync_folder(into.parent)

        try:
            await asyncio.to_thread(link)
        except FileNotFoundError as error:
            raise BlobMissing(source) from error
        except OSError as error:
            raise _failed(error) from error

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove blobs; see Provider."""

        def remove() -> None:
            for key in keys:
                (self._root / key).unlink(missing_ok=True)

        try:
            await asyncio.to_thread(remove)
        except OSError as error:
            raise _failed(error) from error

    async def list(self, prefix: str = "") -> AsyncIterator[Found]:
        """Walk all blobs; see Provider."""
        for folder in sorted(self._root.iterdir()) if self._root.is_dir() else ():
            if folder.name == STAGING or not folder.is_dir():
                continue
            for found in await asyncio.to_thread(_listed, self._root, folder):
                if found.key.startswith(prefix):
                    yield found

    async def close(self) -> None:
        """Nothing is held."""


class _Writing:
    """A file that is not yet a blob."""

    def __init__(self, staged: Path) -> None:
        staged.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._staged = staged
        self._file = staged.open("xb", buffering=0)
        self.md5 = hashlib.md5(usedforsecurity=False)  # what S3 calls an ETag
        self.size = 0

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) or 0 :]
        self.md5.update(data)
        self.size += len(data)

    def finish(self, data: bytes, target: Path) -> None:
        self.write(data)
        os.fsync(self._file.fileno())
        self._file.close()
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._staged.rename(target)
        _sync_folder(target.parent)

    def abandon(self) -> None:
        self._file.close()
        self._staged.unlink(missing_ok=True)


class _Reading:
    """An open file; deleting its name does not touch it."""

    def __init__(self, path: Path, first: int, last: int | None) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._fd).st_size
        self._at = first
        self._end = self.size if last is None else min(last + 1, self.size)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self._at < self._end:
            wanted = min(CHUNK_BYTES, self._end - self._at)
            data = await asyncio.to_thread(os.pread, self._fd, wanted, self._at)
            if not data:
                return
            self._at += len(data)
            yield data

    async def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _listed(root: Path, folder: Path) -> list[Found]:
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            stat = entry.stat()
            key = f"{folder.relative_to(root)}/{entry.name}"
            found.append(Found(key=key, size=stat.st_size, modified=stat.st_mtime))
    return found


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _failed(error: OSError) -> ProviderError:
    return ProviderError(type(error).__name__, details=error.strerror or str(error))
