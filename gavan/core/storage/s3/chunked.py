"""aws-chunked: bodies whose pieces carry signatures of their own, and checksums that come last.

Pieces are passed on as they arrive and judged at their end: the object comes to be only after the
last judgement, so a chunk may be of any size and is never held (Amazon's «Signature calculations
for the authorization header: transferring a payload in multiple chunks»).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from gavan.core.storage.errors import StorageError, invalid_request
from gavan.core.storage.s3.errors import incomplete_body, malformed_signature, mismatch
from gavan.core.storage.s3.signature import EMPTY_HASH, Claim, sign_text

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
STREAMING = frozenset({SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER})
MOST_LINE_BYTES = 4096
HEAD_BYTES = 128
"""Room for the head of a piece with its signature"""
MOST_TRAILERS = 16
TRAILER_SIGNATURE = "x-amz-trailer-signature"
_CRLF = b"\r\n"
_HEAD = re.compile(rb"([0-9a-fA-F]{1,10})(?:;chunk-signature=([0-9a-f]{64}))?")


@dataclass(slots=True, kw_only=True)
class Framing:
    """How one body is framed; ``trailers`` is filled in when its end has arrived.

    ``key`` signs the pieces; the first signature of the chain is the request's own.
    """

    claim: Claim
    key: bytes
    trailer_names: frozenset[str] = frozenset()
    trailers: dict[str, str] = field(default_factory=dict)
    previous: str = ""

    @property
    def is_signed(self) -> bool:
        """Say whether every piece must carry a signature."""
        return self.claim.payload != UNSIGNED_TRAILER

    @property
    def has_trailers(self) -> bool:
        """Say whether headers follow the last piece."""
        return self.claim.payload != SIGNED

    def check_chunk(self, signature: str | None, digest: str) -> None:
        """Raise StorageError unless the signature of a piece is the next of the chain."""
        if signature is None:
            raise malformed_signature("Missing chunk signature")
        self._check("AWS4-HMAC-SHA256-PAYLOAD", f"{EMPTY_HASH}\n{digest}", signature)

    def check_trailers(self, lines: Mapping[str, str]) -> None:
        """Take the trailers in; raise StorageError unless they are those that were announced."""
        signature = lines.get(TRAILER_SIGNATURE)
        self.trailers = {name: text for name, text in lines.items() if name != TRAILER_SIGNATURE}
        if not self.trailers or not self.trailer_names <= self.trailers.keys():
            raise StorageError(
                400,
                "MalformedTrailerError",
                "The request contained trailing data that was not"
                " well-formed or did not conform to our published schema.",
            )
        if not self.is_signed:
            return
        if signature is None:
            raise malformed_signature("Missing trailer signature")
        text = "".join(f"{name}:{value}\n" for name, value in sorted(self.trailers.items()))
        digest = hashlib.sha256(text.encode("latin-1")).hexdigest()
        self._check("AWS4-HMAC-SHA256-TRAILER", digest, signature)

    def _check(self, algorithm: str, digests: str, signature: str) -> None:
        previous = self.previous or self.claim.signature
        claim = self.claim
        text = f"{algorithm}\n{claim.moment}\n{claim.scope}\n{previous}\n{digests}"
        expected = sign_text(self.key, text)
        if not hmac.compare_digest(expected.encode(), signature.encode("latin-1", "replace")):
            raise mismatch(has_token=False)
        self.previous = signature


async def unframe(body: AsyncIterator[bytes], framing: Framing) -> AsyncIterator[bytes]:
    """Yield the bytes without their frames.

    Raises:
        StorageError: a frame is malformed, a signature is wrong, or the end is missing.
    """
    source = _Source(body)
    size = -1
    while size:
        size, signature = _head(await source.line())
        digest = hashlib.sha256() if framing.is_signed else None
        left = size
        while left:
            piece = await source.some(left)
            if digest is not None:
                digest.update(piece)
            left -= len(piece)
            yield piece
        if size:
            await source.expect(_CRLF)
        if digest is not None:
            framing.check_chunk(signature, digest.hexdigest())
    if framing.has_trailers:
        framing.check_trailers(await _trailers(source))
    else:
        await source.expect(_CRLF)
    await source.expect_end()


def _head(line: bytes) -> tuple[int, str | None]:
    found = _HEAD.fullmatch(line)
    if found is None:
        raise invalid_request("Invalid chunk header")
    return int(found[1], 16), found[2].decode() if found[2] else None


async def _trailers(source: _Source) -> dict[str, str]:
    lines: dict[str, str] = {}
    while line := await source.line():
        name, separator, value = line.decode("latin-1").partition(":")
        name = name.strip().lower()
        if not separator or name in lines or len(lines) >= MOST_TRAILERS:
            raise invalid_request("Invalid trailer")
        lines[name] = value.strip()
    return lines


class _Source:
    """A stream of pieces, read by lines and lengths; holds one piece and a line."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._held = memoryview(b"")

    async def line(self) -> bytes:
        """Return what comes before the next line end, and go past it."""
        line = bytes(self._held[:HEAD_BYTES])
        at = line.find(_CRLF)
        if at >= 0:  # nearly always; a body may be framed in very small pieces
            self._held = self._held[at + len(_CRLF) :]
            return line[:at]
        line = b""
        while True:
            held = bytes(self._held[: MOST_LINE_BYTES + len(_CRLF)])
            joined = line + held
            at = joined.find(_CRLF)
            if 0 <= at <= MOST_LINE_BYTES:
                self._held = self._held[at + len(_CRLF) - len(line) :]
                return joined[:at]
            if len(joined) > MOST_LINE_BYTES:
                raise invalid_request("Invalid chunk header")
            line = joined
            await self._more()

    async def some(self, most: int) -> bytes:
        """Return at least one byte and at most so many."""
        if not self._held:
            await self._more()
        piece = bytes(self._held[:most])
        self._held = self._held[most:]
        return piece

    async def expect(self, wanted: bytes) -> None:
        """Go past exactly these bytes."""
        found = b""
        while len(found) < len(wanted):
            found += await self.some(len(wanted) - len(found))
        if found != wanted:
            raise invalid_request("Missing CRLF after chunk data")

    async def expect_end(self) -> None:
        """Raise StorageError for anything that follows."""
        if self._held:
            raise invalid_request("Unexpected data after final chunk")
        async for piece in self._pieces:
            if piece:
                raise invalid_request("Unexpected data after final chunk")

    async def _more(self) -> None:
        async for piece in self._pieces:
            if piece:
                self._held = memoryview(piece)
                return
        raise incomplete_body("The body ended before its final chunk")
