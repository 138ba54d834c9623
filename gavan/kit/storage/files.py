"""Blobs as files below one folder: written beside, synced, then renamed into place.

Beside is the folder ``.staging``: a file for each blob on its way in, a folder for each upload in
pieces. What a killed process leaves there is told by ``unfinished``.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import itertools
import os
import re
import time
from collections import OrderedDict
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar
from uuid import uuid4

from gavan.kit.storage import disk
from gavan.kit.storage.provider import (
    BlobMissing,
    Found,
    Pending,
    ProviderError,
    Reading,
    Written,
    check_number,
    check_offset,
    is_key,
)
from gavan.kit.storage.reading import Opened, ReadingAhead, open_ahead
from gavan.kit.storage.threads import Pieces, Threads

P = ParamSpec("P")
T = TypeVar("T")
READ_BYTES = 512 * 1024
THREADS = 8
LISTED = 1000
"""Entries of a folder that are taken at a time"""
REMEMBERED = 1000
"""Growing uploads whose digest is kept, so that settling them reads nothing again"""
STAGING = ".staging"
GROWING = "bytes"
_STAGED = re.compile(r"[0-9a-f-]{36}(?:~[0-9A-Za-z._~-]+)?")
_ETAG = re.compile(r"[0-9a-f]{32}")


class Files:
    """A folder of blobs; made when first written to, for its owner alone."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._staging = root / STAGING
        self._threads = Threads("files", THREADS)
        self._readers = Threads("files-read", THREADS)  # who reads waits for nobody's sync
        self._digests: OrderedDict[str, tuple[int, hashlib._Hash]] = OrderedDict()

    async def write(
        self, key: str, chunks: AsyncIterable[bytes], *, length: int | None = None
    ) -> Written:
        """Store a blob; see Provider."""
        del length
        target = self._new(key)
        made = self._staged()
        publish = partial(made.publish, target)
        try:
            await self._pour(None, chunks, made.append, publish)
        except BaseException:
            await self._run(None, made.abandon)
            await self._run(None, _unlink, [target])
            raise
        return Written(size=made.size, etag=made.md5())

    async def read(self, key: str, *, first: int = 0, last: int | None = None) -> Reading:
        """Open a blob; see Provider."""
        opening = partial(_open, self._old(key), first, last)
        return await self._readers.open(
            ReadingAhead.release, _telling(key, open_ahead), opening, self._readers
        )

    async def copy(self, source: str, target: str) -> None:
        """Link a blob; see Provider."""
        old, new, staged = self._old(source), self._new(target), self._staging / str(uuid4())
        try:
            await self._run(source, disk.link, old, new, staged)
        except asyncio.CancelledError:
            await self._run(None, _unlink, [new])
            raise

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove blobs; see Provider."""
        await self._run(None, _unlink, [self._root / key for key in keys if is_key(key)])

    async def list(self, prefix: str = "") -> AsyncIterator[Found]:
        """Walk all blobs; see Provider."""
        folder = prefix.rpartition("/")[0]
        if folder and not is_key(folder):
            return
        folders = [self._root / folder]
        while folders:
            async for path, stat in self._entries(folders.pop()):
                if path.name.startswith("."):
                    continue
                key = path.relative_to(self._root).as_posix()
                if stat is None:
                    if prefix.startswith(f"{key}/") or f"{key}/".startswith(prefix):
                        folders.append(path)
                elif key.startswith(prefix):
                    # A link has the age of its bytes in mtime, and that of its name in ctime.
                    yield Found(key=key, size=stat.st_size, modified=stat.st_ctime)

    async def begin(self, key: str) -> str:
        """Make the folder of an upload; see Provider. The key stands in its name."""
        self._new(key)
        handle = f"{uuid4()}~{key.replace('/', '~')}"

        await self._run(None, disk.make_folders, self._staging / handle)
        return handle

    async def grow(self, handle: str, offset: int, chunks: AsyncIterable[bytes]) -> int:
        """Append; see Provider."""
        path = self._upload(handle)[0] / GROWING
        hashed, digest = self._digests.pop(handle, (0, hashlib.md5(usedforsecurity=False)))
        known = digest if hashed == offset else None
        growing = disk.Growing(path, known, is_new=False)
        try:
            await self._run(handle, growing.open)
            check_offset(growing.size, offset)
            await self._pour(handle, chunks, growing.append, growing.finish)
        except BaseException:
            await self._run(handle, growing.finish)
            raise
        if growing.digest is not None:
            self._remember(handle, growing.size, growing.digest)
        return growing.size

    async def grown(self, handle: str) -> int:
        """Return the size of what is there, synced first; see Provider."""
        return await self._run(handle, _synced_size, self._upload(handle)[0])

    async def settle(self, handle: str) -> Written:
        """Rename what has grown; see Provider."""
        folder, target = self._upload(handle)
        known = self._digests.pop(handle, None)
        written = await self._run(handle, disk.settle, folder / GROWING, known, target)
        await self._run(handle, disk.remove, folder)
        return written

    async def write_part(
        self, handle: str, number: int, chunks: AsyncIterable[bytes], *, length: int | None = None
    ) -> Written:
        """Store a part as a file that has its number and digest in its name; see Provider."""
        del length
        folder, _ = self._upload(handle)
        check_number(number)
        await self._run(handle, folder.stat)  # before anything is read
        made = self._staged()
        keep = partial(_keep_part, made, folder, number)
        try:
            await self._pour(handle, chunks, made.append, keep)
        except BaseException:
            await self._run(None, made.abandon)
            raise
        return Written(size=made.size, etag=made.md5())

    async def join(self, handle: str, parts: Sequence[tuple[int, str]]) -> Written:
        """Put the parts into one file; see Provider."""
        folder, target = self._upload(handle)
        sources, etag = _sources(folder, parts)
        staged = self._staging / str(uuid4())
        try:
            size = await self._run(handle, disk.build, staged, sources, target)
        except asyncio.CancelledError:
            await self._run(None, _unlink, [target])
            raise
        await self._run(handle, disk.remove, folder)
        return Written(size=size, etag=etag)

    async def discard(self, handle: str) -> None:
        """Remove an upload, or what a dead writer left; see Provider."""
        self._digests.pop(handle, None)
        if _STAGED.fullmatch(handle):
            await self._run(handle, disk.remove, self._staging / handle)

    async def unfinished(self) -> AsyncIterator[Pending]:
        """Walk ``.staging``; see Provider."""
        async for path, stat in self._entries(self._staging):
            if not _STAGED.fullmatch(path.name):
                continue
            yield await self._run(None, _pending, path, stat)

    async def close(self) -> None:
        """End the threads."""
        await self._threads.close()
        await self._readers.close()

    def _new(self, key: str) -> Path:
        if not is_key(key):
            raise ProviderError("InvalidKey", details="no blob can have such a key")
        return self._root / key

    def _old(self, key: str) -> Path:
        if not is_key(key):
            raise BlobMissing(key)
        return self._root / key

    def _upload(self, handle: str) -> tuple[Path, Path]:
        """Return the folder of an upload and the path of its blob."""
        key = _key_of(handle)
        if not _STAGED.fullmatch(handle) or not is_key(key):
            raise BlobMissing(handle)
        return self._staging / handle, self._root / key

    async def _run(
        self, key: str | None, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._threads.run(_telling(key, work), *args, **kwargs)

    async def _pour(
        self,
        key: str | None,
        chunks: AsyncIterable[bytes],
        sink: Callable[[Pieces], object],
        last: Callable[[Pieces], object],
    ) -> None:
        sink, last = _telling(None, sink), _telling(key, last)
        await self._threads.pour(chunks, disk.BLOCK_BYTES, sink, last)

    def _staged(self) -> disk.Growing:
        digest = hashlib.md5(usedforsecurity=False)
        return disk.Growing(self._staging / str(uuid4()), digest, is_new=True)

    def _remember(self, handle: str, size: int, digest: hashlib._Hash) -> None:
        self._digests[handle] = size, digest
        if len(self._digests) > REMEMBERED:
            self._digests.popitem(last=False)

    async def _entries(self, folder: Path) -> AsyncIterator[tuple[Path, os.stat_result | None]]:
        """Walk a folder, files with their state and folders without; nothing if there is none."""
        try:
            entries = await self._run("", os.scandir, folder)
        except BlobMissing:
            return
        with entries:
            while (batch := await self._run("", _states, entries)) is not None:
                for name, stat in batch:
                    yield folder / name, stat


class _Range:
    """The bytes of an open file between two places; deleting its name does not touch it."""

    def __init__(self, file: io.FileIO, at: int, end: int) -> None:
        self._file = file
        self._at = at
        self._end = end

    def read(self) -> bytes:
        wanted = min(READ_BYTES, self._end - self._at)
        data = _telling(None, os.pread)(self._file.fileno(), wanted, self._at)
        self._at += len(data)
        return data

    def close(self) -> None:
        self._file.close()


def _open(path: Path, first: int, last: int | None) -> Opened:
    file = io.FileIO(path)
    size = os.fstat(file.fileno()).st_size
    end = size if last is None else min(last + 1, size)
    return Opened(source=_Range(file, first, end), size=size, length=max(0, end - first))


def _keep_part(made: disk.Growing, folder: Path, number: int, block: Pieces) -> None:
    """Add the last bytes to a part, give it its name, and remove the former one of its number."""
    made.append(block)
    target = folder / _part_name(number, made.md5())
    with disk.locked(folder):
        made.publish(target)
        for other in folder.glob(_part_name(number, "*")):
            if other != target:
                other.unlink()


def _part_name(number: int, etag: str) -> str:
    return f"{number:05d}.{etag}"


def _sources(folder: Path, parts: Sequence[tuple[int, str]]) -> tuple[list[Path], str]:
    """Return the files of parts, and the ETag of all together."""
    if not parts:
        raise ProviderError("NoParts", details="an upload of no parts cannot be joined")
    digests, sources = hashlib.md5(usedforsecurity=False), []
    for number, etag in parts:
        check_number(number)
        if not _ETAG.fullmatch(etag):
            raise BlobMissing(f"{folder.name} part {number}")
        digests.update(bytes.fromhex(etag))
        sources.append(folder / _part_name(number, etag))
    return sources, f"{digests.hexdigest()}-{len(parts)}"


def _synced_size(folder: Path) -> int:
    try:
        with (folder / GROWING).open("rb") as grown:
            os.fsync(grown.fileno())
            return os.fstat(grown.fileno()).st_size
    except FileNotFoundError:
        folder.stat()
        return 0


def _key_of(handle: str) -> str:
    return handle.partition("~")[2].replace("~", "/")


def _pending(path: Path, stat: os.stat_result | None) -> Pending:
    """Return what is known of an entry of ``.staging``; of one that goes meanwhile: nothing."""
    pieces = [stat] if stat is not None else []
    if stat is None:
        with contextlib.suppress(FileNotFoundError):
            pieces = [piece.stat() for piece in path.iterdir()]
    modified = [piece.st_mtime for piece in pieces]
    with contextlib.suppress(FileNotFoundError):
        modified.append(path.stat().st_mtime)
    return Pending(
        handle=path.name,
        key=_key_of(path.name),
        size=sum(piece.st_size for piece in pieces),
        modified=max(modified, default=time.time()),
    )


def _unlink(paths: Sequence[Path]) -> None:
    for path in paths:
        try:
            path.unlink()
        except OSError as error:
            if not disk.is_missing(error):
                raise


def _states(
    entries: Iterator[os.DirEntry[str]],
) -> list[tuple[str, os.stat_result | None]] | None:
    """Return the next files with their state and folders without; None at the end."""
    taken = list(itertools.islice(entries, LISTED))
    found: list[tuple[str, os.stat_result | None]] = []
    for entry in taken:
        with contextlib.suppress(FileNotFoundError):
            is_folder = entry.is_dir(follow_symlinks=False)
            found.append((entry.name, None if is_folder else entry.stat(follow_symlinks=False)))
    return found if taken else None


def _telling(key: str | None, work: Callable[P, T]) -> Callable[P, T]:
    """Return ``work`` with the errors of a provider; what the bytes' sender raises is not ours.

    ``key``: what is missing when a file is; None: none was expected, so it is a failure.
    """

    def told(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return work(*args, **kwargs)
        except OSError as error:
            if key is not None and disk.is_missing(error):
                raise BlobMissing(key) from error
            raise disk.translated(error) from error

    return told
