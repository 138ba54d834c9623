"""The body of a signed request: unframed, and every promise made about it verified as it streams.

What a signature, a checksum or a length promises is judged when the last byte has come. A writer
that takes the bytes meanwhile must make nothing of them before this stream has ended well.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from gavan.core.storage.errors import invalid_request, too_large
from gavan.core.storage.s3.chunked import STREAMING, Framing, unframe
from gavan.core.storage.s3.errors import bad_digest, incomplete_body
from gavan.core.storage.s3.signature import UNSIGNED, Claim, Signable

MOST_XML_BYTES = 4 * 1024 * 1024
"""Room for the 10,000 parts of an upload with their checksums"""
CHECKSUM = "x-amz-checksum-"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGITS = re.compile(r"[0-9]{1,15}")


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


def _md5() -> _Digest:
    return hashlib.md5(usedforsecurity=False)


_CHECKSUMS: Mapping[str, Callable[[], _Digest]] = {
    f"{CHECKSUM}crc32": _Crc32,
    f"{CHECKSUM}sha1": lambda: hashlib.sha1(usedforsecurity=False),
    f"{CHECKSUM}sha256": hashlib.sha256,
    "content-md5": _md5,
}
"""What is verified. crc32c and crc64nvme are not: no light library has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A body that is read once. ``length`` in bytes without frames; None when it is not known."""

    length: int | None
    chunks: AsyncIterator[bytes]

    async def xml(self) -> bytes:
        """Return the whole body of a request that carries a document; raises StorageError."""
        whole = bytearray()
        async for chunk in self.chunks:
            whole += chunk
            if len(whole) > MOST_XML_BYTES:
                raise too_large()
        return bytes(whole)


def body_of(request: Signable, claim: Claim, key: bytes, stream: AsyncIterator[bytes]) -> Body:
    """Return the body of a request whose signature is proven; ``key`` is what proved it.

    Raises:
        StorageError: what its headers say of it cannot be.
    """
    headers = request.headers
    is_streaming = claim.payload in STREAMING
    if not is_streaming and claim.payload != UNSIGNED and not _SHA256.fullmatch(claim.payload):
        raise invalid_request(
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a STREAMING word or"
            " a valid sha256 value"
        )
    length = _length(headers, "x-amz-decoded-content-length" if is_streaming else "content-length")
    if length is None and not is_streaming and "transfer-encoding" not in headers:
        length = 0
    promised = {name: headers[name] for name in _CHECKSUMS if name in headers}
    framing = None
    if is_streaming:
        names = _names(headers.get("x-amz-trailer", ""))
        framing = Framing(claim=claim, key=key, trailer_names=names)
        stream = unframe(stream, framing)
    digests = {name: _CHECKSUMS[name]() for name in promised}
    if framing is not None:
        digests |= {name: _CHECKSUMS[name]() for name in framing.trailer_names & _CHECKSUMS.keys()}
    checked = _checked(stream, length, digests, lambda: _promises(promised, framing))
    if _SHA256.fullmatch(claim.payload):
        checked = _hashed(checked, claim.payload)
    return Body(length=length, chunks=checked)


def _promises(promised: Mapping[str, str], framing: Framing | None) -> Mapping[str, str]:
    return promised if framing is None else {**promised, **framing.trailers}


async def _checked(
    stream: AsyncIterator[bytes],
    length: int | None,
    digests: Mapping[str, _Digest],
    promises: Callable[[], Mapping[str, str]],
) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in stream:
        size += len(chunk)
        if length is not None and size > length:
            raise incomplete_body(f"more bytes came than the {length} that were announced")
        for digest in digests.values():
            digest.update(chunk)
        yield chunk
    if length is not None and size != length:
        raise incomplete_body(f"{size} bytes came, {length} were announced")
    promised = promises()
    for name, digest in digests.items():
        if base64.b64encode(digest.digest()).decode() != promised.get(name):
            raise bad_digest(name)


async def _hashed(stream: AsyncIterator[bytes], wanted: str) -> AsyncIterator[bytes]:
    digest = hashlib.sha256()
    async for chunk in stream:
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != wanted:
        raise bad_digest("x-amz-content-sha256")


def _length(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name)
    if text is None:
        return None
    if not _DIGITS.fullmatch(text):
        raise invalid_request(f"headers {name} must be integer")
    return int(text)


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in text.split(",") if name.strip())
