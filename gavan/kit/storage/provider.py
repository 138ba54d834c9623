"""What every store of blobs can do; files.py and s3.py are the two that exist.

A key is written once and never changed: whoever has a new content takes a new key. So copies may
share bytes, readers are never surprised, and a write that fails leaves nothing behind.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from gavan.kit.errors import GavanError

PART_BYTES = 5 * 1024 * 1024
"""The least an S3 part may have, except the last one (Amazon S3: multipart upload limits)"""

MOST_PARTS = 10_000
"""The most parts an upload may have, numbered from 1 (Amazon S3: multipart upload limits)"""
MOST_KEY = 200
_KEY = re.compile(r"[0-9A-Za-z_-][0-9A-Za-z._-]*(?:/[0-9A-Za-z_-][0-9A-Za-z._-]*)*")


def is_key(text: str) -> bool:
    """Say whether a blob can have this key; what comes out of a table may be anything."""
    return len(text) <= MOST_KEY and _KEY.fullmatch(text) is not None


class ProviderError(GavanError):
    """The store failed: it is down, full, or refuses; ``message`` names the class of the failure.

    Nothing of what was being written is left under its key.
    """

    def __init__(
        self, message: str, *, details: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__("GV730", message, details=details, hint=hint)

    def __str__(self) -> str:
        """Return all that logs need: answers show the message alone, and the details."""
        return "; ".join(text for text in (self.message, self.details, self.hint) if text)


class BlobMissing(ProviderError):
    """There is nothing under the key or the handle."""

    def __init__(self, key: str) -> None:
        super().__init__("The resource was not found", details=key)
        self.code = "GV731"


def check_number(number: int) -> None:
    """Raise ProviderError for a number that no part can have."""
    if not 1 <= number <= MOST_PARTS:
        raise ProviderError("InvalidPart", details=f"parts are numbered 1 to {MOST_PARTS}")


def check_offset(size: int, offset: int) -> None:
    """Raise ProviderError unless bytes from ``offset`` on would follow those that are there."""
    if size != offset:
        raise ProviderError("OffsetConflict", details=f"{size} bytes are there")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A complete blob. ``etag`` without quotes: MD5 in hex, or S3's ``<hex>-<parts>``."""

    size: int
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A blob in a listing; ``modified`` in seconds since the epoch: when it came under this key."""

    key: str
    size: int
    modified: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """An upload that is not finished; ``modified``: when something was last added.

    ``key`` is that of the blob it would become, empty when nobody knows any more.
    """

    handle: str
    key: str
    size: int
    modified: float


class Reading(Protocol):
    """An open blob: its bytes stay readable even when the key is deleted meanwhile.

    Iterate once, then ``close``; both ends may come early. ``size`` is that of the whole blob.
    """

    size: int

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def close(self) -> None: ...


class Provider(Protocol):
    """A store of blobs. Every method may raise ProviderError.

    Keys satisfy ``is_key``; under any other text there is nothing, and nothing can be stored.
    Memory is bounded whatever the size of a blob.
    """

    async def write(
        self, key: str, chunks: AsyncIterable[bytes], *, length: int | None = None
    ) -> Written:
        """Store a blob; durable when it returns. Whatever ``chunks`` raises goes through, and
        nothing is left. ``length`` in bytes, when it is known beforehand."""

    async def read(self, key: str, *, first: int = 0, last: int | None = None) -> Reading:
        """Open the bytes ``first`` to ``last``, both included; raise BlobMissing."""

    async def copy(self, source: str, target: str) -> None:
        """Make ``target`` another name of the same bytes; raise BlobMissing."""

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove blobs; those that are missing count as removed."""

    def list(self, prefix: str = "") -> AsyncIterator[Found]:
        """Walk all blobs, in no promised order; unfinished uploads are not among them."""

    async def begin(self, key: str) -> str:
        """Begin an upload that comes in pieces over many requests; return its handle.

        The pieces come by ``grow`` or by ``write_part``, never both. A handle is text that may be
        kept in a table, and outlives the process.
        """

    async def grow(self, handle: str, offset: int, chunks: AsyncIterable[bytes]) -> int:
        """Append; return the new size. What had arrived when ``chunks`` failed or the process
        died is kept as far as ``grown`` tells. One caller at a time, and ``offset`` must be what
        ``grown`` tells: ProviderError otherwise."""

    async def grown(self, handle: str) -> int:
        """Return how many bytes are safe; raise BlobMissing."""

    async def settle(self, handle: str) -> Written:
        """Turn what has grown into the blob; raise BlobMissing."""

    async def write_part(
        self, handle: str, number: int, chunks: AsyncIterable[bytes], *, length: int | None = None
    ) -> Written:
        """Store a part, 1 to MOST_PARTS, instead of one of that number; raise BlobMissing.

        Every part but the last of a blob has PART_BYTES or more."""

    async def join(self, handle: str, parts: Sequence[tuple[int, str]]) -> Written:
        """Make the blob of parts, by number and etag, in this order; raise BlobMissing."""

    async def discard(self, handle: str) -> None:
        """Forget an upload and its pieces; one that is missing counts as forgotten."""

    def unfinished(self) -> AsyncIterator[Pending]:
        """Walk the uploads that were begun and neither settled, joined nor discarded, and what
        writers that died have left; what still comes in is among them."""

    async def close(self) -> None:
        """Let go of connections and threads."""
