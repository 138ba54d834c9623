"""Cross-origin headers: what a browser may ask for and read.

Stands in the front door, the same for every service; what a browser asks to send is echoed,
because a fixed list breaks with the next client.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

Headers = list[tuple[bytes, bytes]]

METHODS = b"GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD"
MAX_AGE_S = b"86400"
EXPOSED = (
    b"Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, "
    b"Transfer-Encoding, Range-Unit"
)
EXPOSED_AUTH = b"X-Total-Count, Link, X-Supabase-Api-Version"
EXPOSED_STORAGE = EXPOSED + (
    b", Accept-Ranges, Cache-Control, Content-Disposition, ETag, Expires, Last-Modified, "
    b"Tus-Complete, Tus-Extension, Tus-Max-Size, Tus-Resumable, Tus-Version, Upload-Defer-Length, "
    b"Upload-Expires, Upload-Length, Upload-Metadata, Upload-Offset, X-Robots-Tag, "
    b"X-Transformations"
)
_BY_SERVICE = {"auth": EXPOSED_AUTH, "storage": EXPOSED_STORAGE}
_NAMES = re.compile(rb"[\w!#$%&'*+.^`|~, -]{0,4096}")


class Cors:
    """The rules of one stack; without configured origins every origin may read."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._origins = frozenset(origin.rstrip("/").encode() for origin in origins)

    def response(self, origin: bytes, service: str) -> Headers:
        """Return the headers of any response to a request of this origin."""
        exposed = _BY_SERVICE.get(service, EXPOSED)
        allowed = self._allowed(origin)
        if not allowed:
            return []
        return [*allowed, (b"access-control-expose-headers", exposed)]

    def preflight(self, origin: bytes, asked: Mapping[bytes, bytes]) -> Headers:
        """Return the headers of the answer to a browser's question before a request."""
        allowed = self._allowed(origin)
        if not allowed:
            return []
        wanted = asked.get(b"access-control-request-headers", b"")
        names = [b"Authorization", b"Accept", b"Accept-Language", b"Content-Language"]
        if wanted and _NAMES.fullmatch(wanted):
            names[1:1] = [name.strip() for name in wanted.split(b",")]
        return [
            *allowed,
            (b"access-control-allow-methods", METHODS),
            (b"access-control-allow-headers", b", ".join(names)),
            (b"access-control-max-age", MAX_AGE_S),
        ]

    def _allowed(self, origin: bytes) -> Headers:
        if not self._origins:
            return [(b"access-control-allow-origin", b"*")]
        if origin not in self._origins:
            return []
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (b"vary", b"Origin"),
        ]
