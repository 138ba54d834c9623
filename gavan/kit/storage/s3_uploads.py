"""What comes into an S3 over several calls: multipart uploads, and the tails behind them.

Blocking, for the threads of s3.py. The parts of an S3 have 5 MiB or more, so what is less, at the
end of what has grown, waits in an object of its own below ``.tails/``, named by the upload and by
the offset at which it begins: once a part covers that offset, the tail counts no more.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence

from gavan.kit.storage.provider import (
    MOST_PARTS,
    PART_BYTES,
    BlobMissing,
    Pending,
    ProviderError,
    Written,
    is_key,
)
from gavan.kit.storage.s3_client import Bucket, telling

TAILS = ".tails/"
_UPLOAD = re.compile(r"[0-9A-Za-z._~=+-]{1,400}")


class WritingToS3:
    """One blob on its way in: blocks become parts, unless the first of them is all."""

    def __init__(self, bucket: Bucket, key: str) -> None:
        self._bucket = bucket
        self._key = key
        self._upload = ""
        self._parts: list[tuple[int, str]] = []
        self._size = 0
        self._is_named = False

    def append(self, block: bytes) -> None:
        """Send a block that is not the last."""
        self._upload = self._upload or self._bucket.create(self._key)
        self._send(block)

    def finish(self, rest: bytes) -> Written:
        """Make the blob."""
        if not self._upload:
            self._is_named = True
            return Written(size=len(rest), etag=self._bucket.put(self._key, rest))
        if rest:
            self._send(rest)
        self._is_named = True
        etag = self._bucket.complete(self._key, self._upload, self._parts)
        return Written(size=self._size, etag=etag)

    def abandon(self) -> None:
        """Leave nothing; an S3 that does not answer keeps parts, which ``unfinished`` tells."""
        with contextlib.suppress(ProviderError):
            if self._upload:
                self._bucket.abort(self._key, self._upload)
            if self._is_named:
                self._bucket.delete([self._key])

    def _send(self, block: bytes) -> None:
        number = _next_number(self._parts)
        self._parts.append((number, self._bucket.put_part(self._key, self._upload, number, block)))
        self._size += len(block)


class GrowingInS3:
    """What has grown: the parts of an upload, and the tail behind them."""

    def __init__(self, bucket: Bucket, handle: str) -> None:
        self._bucket = bucket
        self._handle = handle
        self._key, self._upload = split_handle(handle)
        there = bucket.parts(self._key, self._upload)
        self._parts = [(part["PartNumber"], part["ETag"].strip('"')) for part in there]
        self._base: int = sum(part["Size"] for part in there)
        self._tails = tails_of(bucket, handle)
        self.size = self._base + self._tails.get(self._base, 0)

    def tail(self) -> bytes:
        """Return the bytes behind the last part."""
        if not self._tails.get(self._base):
            return b""
        body = self._bucket.get(_tail_key(self._handle, self._base))["Body"]
        with contextlib.closing(body), telling(None):
            return bytes(body.read())

    def append(self, block: bytes) -> None:
        """Put a block, which begins with the former tail, behind the last part."""
        if len(block) >= PART_BYTES:
            self._send(block)
        elif block and self._tails.get(self._base) != len(block):
            self._bucket.put(_tail_key(self._handle, self._base), block)
            self._tails[self._base] = len(block)
        self.size = self._base + self._tails.get(self._base, 0)

    def tidy(self) -> None:
        """Remove the tails that parts cover by now."""
        covered = [at for at in self._tails if at != self._base]
        self._bucket.delete([_tail_key(self._handle, at) for at in covered])

    def settle(self) -> Written:
        """Make the blob."""
        tail = self.tail()
        if not self._parts:
            etag = self._bucket.put(self._key, tail)
            self._bucket.abort(self._key, self._upload)
        else:
            if tail:
                self._send(tail)
            etag = self._bucket.complete(self._key, self._upload, self._parts)
        with contextlib.suppress(ProviderError):  # the blob is there; they count no more
            remove_tails(self._bucket, self._handle)
        return Written(size=self.size, etag=etag)

    def _send(self, block: bytes) -> None:
        number, size = _next_number(self._parts), len(block)
        etag = self._bucket.put_part(self._key, self._upload, number, block)
        self._parts.append((number, etag))
        self._base += size


def split_handle(handle: str) -> tuple[str, str]:
    """Return the key and the upload's id of a handle; raise BlobMissing for one that is none."""
    key, _, upload = handle.partition("~")
    if not is_key(key) or not _UPLOAD.fullmatch(upload):
        raise BlobMissing(handle)
    return key, upload


def _tail_key(handle: str, offset: int) -> str:
    return f"{TAILS}{handle}/{offset}"


def tails_of(bucket: Bucket, handle: str) -> dict[int, int]:
    """Return the sizes of all tails of an upload, by the offset at which they begin."""
    prefix = f"{TAILS}{handle}/"
    entries = [
        entry
        for page in bucket.pages("list_objects_v2", prefix)
        for entry in page.get("Contents", [])
    ]
    return {int(entry["Key"].removeprefix(prefix)): entry["Size"] for entry in entries}


def remove_tails(bucket: Bucket, handle: str) -> None:
    bucket.delete([_tail_key(handle, offset) for offset in tails_of(bucket, handle)])


def pending_upload(bucket: Bucket, handle: str, begun: float) -> Pending:
    """Return what is known of a multipart upload; of one that ends meanwhile: nothing."""
    key, upload = split_handle(handle)
    pieces = []
    with contextlib.suppress(BlobMissing):
        pieces = [
            (part["Size"], part["LastModified"].timestamp()) for part in bucket.parts(key, upload)
        ]
    base = sum(size for size, _ in pieces)
    tail = tails_of(bucket, handle).get(base, 0)
    modified = max([begun, *(modified for _, modified in pieces)])
    return Pending(handle=handle, key=key, size=base + tail, modified=modified)


def _next_number(parts: Sequence[tuple[int, str]]) -> int:
    number = parts[-1][0] + 1 if parts else 1
    if number > MOST_PARTS:
        raise ProviderError("TooManyParts", details=f"an upload has at most {MOST_PARTS} parts")
    return number
