"""Blobs as objects of one bucket of any S3: Amazon's, MinIO, Ceph, ``rclone serve s3``."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import Any, TypeVar

from gavan.kit.storage.provider import (
    MOST_PARTS,
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
from gavan.kit.storage.s3_client import Bucket, is_out_of_range, telling
from gavan.kit.storage.s3_settings import S3Settings
from gavan.kit.storage.s3_uploads import (
    TAILS,
    GrowingInS3,
    WritingToS3,
    pending_upload,
    remove_tails,
    split_handle,
)
from gavan.kit.storage.spooling import Spooling, spool
from gavan.kit.storage.threads import Pieces, Threads

T = TypeVar("T")
BLOCK_BYTES = 8 * 1024 * 1024
"""What is sent at a time, and the most that is held in memory for one writer, twice"""
MOST_HELD = 8
"""Writers whose blocks are gathered in memory; those of others are, in files"""
SPOOLED_BYTES = 1024 * 1024
READ_BYTES = 256 * 1024
THREADS = 32
_TAIL = re.compile(rf"{re.escape(TAILS)}(?P<handle>.+)/[0-9]+")


class S3:
    """One bucket of an S3, which should hold nothing else."""

    def __init__(self, settings: S3Settings) -> None:
        self._bucket = Bucket(settings)
        self._presign_s = settings.presign_s
        self._threads = Threads("s3", THREADS)
        self._held = 0

    async def write(
        self, key: str, chunks: AsyncIterable[bytes], *, length: int | None = None
    ) -> Written:
        """Store a blob, in one call when it is small; see Provider."""
        self._check(key)
        block = max(BLOCK_BYTES, -(-(length or 0) // MOST_PARTS))
        writing = WritingToS3(self._bucket, key)
        try:
            return await self._pour(chunks, block, writing.append, writing.finish)
        except BaseException:
            await self._threads.run(writing.abandon)
            raise

    async def read(self, key: str, *, first: int = 0, last: int | None = None) -> Reading:
        """Open a blob; see Provider."""
        if not is_key(key):
            raise BlobMissing(key)
        opening = partial(_open, self._bucket, key, first, last)
        return await self._threads.open(ReadingAhead.release, open_ahead, opening, self._threads)

    async def copy(self, source: str, target: str) -> None:
        """Copy a blob within the S3; see Provider."""
        self._check(target)
        if not is_key(source):
            raise BlobMissing(source)
        try:
            await self._threads.run(self._bucket.copy, source, target)
        except asyncio.CancelledError:
            await self._threads.run(self._bucket.delete, [target])
            raise

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove blobs; see Provider."""
        await self._threads.run(self._bucket.delete, [key for key in keys if is_key(key)])

    async def list(self, prefix: str = "") -> AsyncIterator[Found]:
        """Walk all blobs; see Provider."""
        folder = prefix.rpartition("/")[0]
        if folder and not is_key(folder):
            return
        async for found in self._listed(prefix):
            if is_key(found.key):
                yield found

    async def begin(self, key: str) -> str:
        """Begin a multipart upload; see Provider."""
        self._check(key)
        return f"{key}~{await self._threads.run(self._bucket.create, key)}"

    async def grow(self, handle: str, offset: int, chunks: AsyncIterable[bytes]) -> int:
        """Append; see Provider."""
        growing = await self._threads.run(GrowingInS3, self._bucket, handle)
        check_offset(growing.size, offset)
        tail = await self._threads.run(growing.tail)
        joined = _after(tail, chunks)
        await self._pour(joined, BLOCK_BYTES, growing.append, growing.append)
        await self._threads.run(growing.tidy)
        return growing.size

    async def grown(self, handle: str) -> int:
        """Return the size of all parts and of the tail; see Provider."""
        return (await self._threads.run(GrowingInS3, self._bucket, handle)).size

    async def settle(self, handle: str) -> Written:
        """Complete the multipart upload, or store what is too small for one; see Provider."""

        def settle() -> Written:
            return GrowingInS3(self._bucket, handle).settle()

        return await self._threads.run(settle)

    async def write_part(
        self, handle: str, number: int, chunks: AsyncIterable[bytes], *, length: int | None = None
    ) -> Written:
        """Store a part; one that is larger than a block passes through a temporary file."""
        del length
        key, upload = split_handle(handle)
        check_number(number)
        with (
            self._room() as has_room,
            SpooledTemporaryFile(BLOCK_BYTES if has_room else SPOOLED_BYTES) as file,
        ):
            write = partial(spool, file)
            await self._threads.pour(chunks, SPOOLED_BYTES, write, write)
            size = file.tell()
            file.seek(0)
            send = partial(self._bucket.put_part, key, upload, number)
            return Written(size=size, etag=await self._threads.run(send, file))

    async def join(self, handle: str, parts: Sequence[tuple[int, str]]) -> Written:
        """Complete the multipart upload; see Provider."""
        key, upload = split_handle(handle)
        if not parts:
            raise ProviderError("NoParts", details="an upload of no parts cannot be joined")

        def join() -> Written:
            there = {part["PartNumber"]: part for part in self._bucket.parts(key, upload)}
            for number, etag in parts:
                if number not in there or there[number]["ETag"].strip('"') != etag:
                    raise BlobMissing(f"{handle} part {number}")
            size = sum(there[number]["Size"] for number, _ in parts)
            return Written(size=size, etag=self._bucket.complete(key, upload, parts))

        return await self._threads.run(join)

    async def discard(self, handle: str) -> None:
        """Abort the multipart upload and remove its tails; see Provider."""

        def discard() -> None:
            self._bucket.abort(*split_handle(handle))
            remove_tails(self._bucket, handle)

        with contextlib.suppress(BlobMissing):
            await self._threads.run(discard)

    async def unfinished(self) -> AsyncIterator[Pending]:
        """Walk the multipart uploads, then the tails that outlived theirs; see Provider."""
        async for upload in self._walk("list_multipart_uploads", "", "Uploads"):
            handle = f"{upload['Key']}~{upload['UploadId']}"
            if is_key(upload["Key"]):
                begun = upload["Initiated"].timestamp()
                yield await self._threads.run(pending_upload, self._bucket, handle, begun)
        async for found in self._listed(TAILS):
            match = _TAIL.fullmatch(found.key)
            if match is not None and not await self._is_open(match["handle"]):
                handle = match["handle"]
                yield Pending(
                    handle=handle,
                    key=handle.partition("~")[0],
                    size=found.size,
                    modified=found.modified,
                )

    def presigned(self, key: str, seconds: int | None = None) -> str:
        """Return a URL by which whoever has it may read a private blob for some seconds.

        Nothing is asked of the S3, so the blob may be missing. Without ``seconds`` those of
        S3_PRESIGN_TTL_SECONDS. Raises BlobMissing for a key that no blob can have.
        """
        if not is_key(key):
            raise BlobMissing(key)
        return self._bucket.presigned(key, seconds or self._presign_s)

    async def close(self) -> None:
        """End the threads, then the connections."""
        await self._threads.close()
        self._bucket.close()

    async def _pour(
        self,
        chunks: AsyncIterable[bytes],
        block_bytes: int,
        append: Callable[[bytes], object],
        finish: Callable[[bytes], T],
    ) -> T:
        """Give ``append`` the chunks in blocks and the rest to ``finish``, as ``Threads.pour``.

        Beyond ``MOST_HELD`` writers the blocks are gathered in files: slow clients, however many,
        cannot fill the memory.
        """
        with self._room() as has_room:
            if has_room:
                return await self._threads.pour(
                    chunks, block_bytes, _joining(append), _joining(finish)
                )
            with SpooledTemporaryFile(SPOOLED_BYTES) as file:
                spooling = Spooling(file, block_bytes, append)
                end = partial(spooling.finish, last=finish)
                try:
                    return await self._threads.pour(chunks, SPOOLED_BYTES, spooling.add, end)
                except ProviderError:
                    raise
                except BaseException:  # the client is gone; what came is kept
                    await self._threads.run(spooling.flush)
                    raise

    @contextlib.contextmanager
    def _room(self) -> Iterator[bool]:
        """Say whether there is room in memory for the blocks of one more writer."""
        has_room = self._held < MOST_HELD
        self._held += has_room
        try:
            yield has_room
        finally:
            self._held -= has_room

    def _check(self, key: str) -> None:
        if not is_key(key):
            raise ProviderError("InvalidKey", details="no blob can have such a key")

    async def _is_open(self, handle: str) -> bool:
        try:
            await self._threads.run(self._bucket.parts, *split_handle(handle))
        except BlobMissing:
            return False
        return True

    async def _listed(self, prefix: str) -> AsyncIterator[Found]:
        async for entry in self._walk("list_objects_v2", prefix, "Contents"):
            modified = entry["LastModified"].timestamp()
            yield Found(key=entry["Key"], size=entry["Size"], modified=modified)

    async def _walk(self, operation: str, prefix: str, field: str) -> AsyncIterator[dict[str, Any]]:
        pages = self._bucket.pages(operation, prefix)
        while (page := await self._threads.run(next, pages, None)) is not None:
            for entry in page.get(field, []):
                yield entry


class _BodySource:
    """The body of an answer, in blocks."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def read(self) -> bytes:
        with telling(None):
            return bytes(self._body.read(READ_BYTES))

    def close(self) -> None:
        self._body.close()


class _NothingSource:
    """A range that no byte is in."""

    def read(self) -> bytes:
        return b""

    def close(self) -> None:
        pass


def _open(bucket: Bucket, key: str, first: int, last: int | None) -> Opened:
    is_whole = first == 0 and last is None
    span = None if is_whole else f"bytes={first}-{'' if last is None else last}"
    try:
        answer = bucket.get(key, span)
    except ProviderError as error:
        if not is_out_of_range(error):
            raise
        return Opened(source=_NothingSource(), size=bucket.size(key), length=0)
    length = answer["ContentLength"]
    whole = answer.get("ContentRange", "").rpartition("/")[2]
    size = int(whole) if whole.isdecimal() else length
    return Opened(source=_BodySource(answer["Body"]), size=size, length=length)


def _joining(work: Callable[[bytes], T]) -> Callable[[Pieces], T]:
    """Return ``work`` for a block in pieces: one call sends it whole."""
    return lambda block: work(b"".join(block))


async def _after(tail: bytes, chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    if tail:
        yield tail
    async for chunk in chunks:
        yield chunk
