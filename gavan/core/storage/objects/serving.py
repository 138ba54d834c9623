"""Turn a row and its blob into an answer: the one place from which stored bytes leave.

The reading routes, the S3 protocol and rendered images answer by it. What is stored is what
strangers uploaded: no type is guessed from the bytes, HTML is shown as text, what can hold scripts
runs without them, and nothing stored can make a header of its own.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gavan.core.storage.errors import StorageError
from gavan.core.storage.objects.conditions import (
    State,
    check_preconditions,
    http_date,
    is_known,
    read_moment,
    wanted_range,
)
from gavan.core.storage.objects.find import FoundObject
from gavan.kit.storage.blob import blob_key
from gavan.kit.storage.provider import BlobMissing, Provider, Reading

DEFAULT_TYPE = "application/octet-stream"
DEFAULT_CACHE = "no-cache"
DEFAULT_ROBOTS = "none"
# A page, a drawing or a feed that is opened by itself gets an origin of its own and runs nothing.
# Drawings keep their styles; <img src> shows them as ever.
SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; sandbox"
_SCRIPTABLE = ("html", "xml", "xsl", "multipart/", "message/")
_UNSAFE = re.compile(r"[^\t\x20-\x7e\x80-\xff]")
_KEPT_IN_FILE_NAMES = "!-._~"

Again = Callable[[], Awaitable[FoundObject]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How an object is asked for.

    ``headers`` by names in lower case: conditions and ranges. ``download`` is the file name to
    save it under, empty for the usual one, None to show it. ``expires`` stands in the place of
    Cache-Control, for signed URLs. ``overrides`` are headers of the answer set by who asks; their
    names in lower case.
    """

    is_head: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    download: str | None = None
    expires: datetime | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)


def asked_by(request: Request, *, expires: datetime | None = None) -> Asked:
    """Return how a request of the storage protocol asks."""
    return Asked(
        is_head=request.method == "HEAD",
        headers=request.headers,
        download=request.query_params.get("download"),
        expires=expires,
    )


async def serve(
    provider: Provider, found: FoundObject, asked: Asked, again: Again | None = None
) -> Response:
    """Return the answer that sends an object, or the part of it that is asked for.

    A HEAD is answered from the row. The blob is open when this returns, and closed by the answer.

    Args:
        again: reads the row once more when the blob is gone: it may have been replaced meanwhile.

    Raises:
        StorageError: 412 and 416, and for a stored value that no header can carry.
        BlobMissing: there is a row and no blob.
        ProviderError: the store of blobs failed.
    """
    state = State(etag=_text(found, "eTag"), modified=modified_of(found))
    check_preconditions(asked.headers, state)
    headers = _headers(found, asked, state)
    if is_known(asked.headers, state):
        return _Bodiless(304, headers)
    size = size_of(found)
    if asked.is_head:
        return _Bodiless(200, {**headers, **({} if size is None else _length(size))})
    try:
        return await _open(provider, found, asked, headers, state)
    except BlobMissing:
        if again is None:
            raise
        return await serve(provider, await again(), asked)


def describe(found: FoundObject, asked: Asked) -> dict[str, str]:
    """Return the headers of an object, all but those of its length.

    Raises:
        StorageError: a stored value has characters that no header can carry.
    """
    return _headers(found, asked, State(etag=_text(found, "eTag"), modified=modified_of(found)))


def _headers(found: FoundObject, asked: Asked, state: State) -> dict[str, str]:
    mime = _served_type(asked.overrides.get("content-type") or _text(found, "mimetype"))
    headers = {
        "content-type": mime,
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        "x-robots-tag": _text(found, "xRobotsTag") or DEFAULT_ROBOTS,
        "last-modified": http_date(state.modified),
    }
    if state.etag:
        headers["etag"] = state.etag
    if asked.expires is not None:
        headers["expires"] = http_date(asked.expires)
    else:
        headers["cache-control"] = _text(found, "cacheControl") or DEFAULT_CACHE
    if asked.download is not None:
        headers["content-disposition"] = disposition(asked.download)
    if any(part in mime.lower() for part in _SCRIPTABLE):
        headers["content-security-policy"] = SANDBOX
    headers |= {name: value for name, value in asked.overrides.items() if name != "content-type"}
    for name, value in headers.items():
        _check_header(name, value)
    return headers


def disposition(file_name: str) -> str:
    """Return a Content-Disposition that saves under a name, in both of RFC 6266's forms."""
    if not file_name:
        return "attachment;"
    encoded = quote(file_name, safe=_KEPT_IN_FILE_NAMES, errors="replace")
    return f"attachment; filename={encoded}; filename*=UTF-8''{encoded}"


def modified_of(found: FoundObject) -> datetime:
    """Return when the content came to be, in whole seconds; of a row without it, the row."""
    told = read_moment(found.metadata.get("lastModified")) or read_moment(found.updated_at)
    return told or datetime.fromtimestamp(0, UTC)


async def _open(
    provider: Provider, found: FoundObject, asked: Asked, headers: dict[str, str], state: State
) -> Response:
    """Open the blob at the place asked for; its own size counts, should the row tell another."""
    key, size = blob_key(found.version), size_of(found)
    if size is None:
        reading = await provider.read(key)
        size = reading.size
        await reading.close()
    while True:
        part = wanted_range(asked.headers, state, size)
        first, last = part or (0, None)
        reading = await provider.read(key, first=first, last=last)
        if part is None or reading.size == size:
            break
        await reading.close()
        size = reading.size
    if part is None:
        return _Streamed(200, {**headers, **_length(reading.size)}, reading)
    begin, end = part
    place = {"content-range": f"bytes {begin}-{end}/{size}", **_length(end - begin + 1)}
    return _Streamed(206, {**headers, **place}, reading)


class _Bodiless(Response):
    """An answer of headers alone, which may tell the length of what it does not send."""

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(status_code=status)
        self.raw_headers = _raw(headers)


class _Streamed(Response):
    """An answer that sends a blob as the client takes it, and closes it whatever happens."""

    def __init__(self, status: int, headers: Mapping[str, str], reading: Reading) -> None:
        super().__init__(status_code=status)
        self.raw_headers = _raw(headers)
        self._reading = reading

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send head and bytes."""
        del scope, receive
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            async for chunk in self._reading:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await self._reading.close()


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def _length(size: int) -> dict[str, str]:
    return {"content-length": str(size)}


def size_of(found: FoundObject) -> int | None:
    """Return the bytes that a row tells; None when it tells none."""
    size = found.metadata.get("size")
    is_size = isinstance(size, int) and not isinstance(size, bool) and size >= 0
    return size if is_size else None


def _text(found: FoundObject, key: str) -> str:
    value = found.metadata.get(key)
    return value if isinstance(value, str) else ""


def _served_type(mime: str) -> str:
    return "text/plain" if "text/html" in mime.lower() else mime or DEFAULT_TYPE


def _check_header(name: str, value: str) -> None:
    if not _UNSAFE.search(value):
        return
    raise StorageError(
        400,
        "InvalidRequest",
        f'Invalid character in response header "{name}"',
        error="invalid_header_char",
    )
