"""An object on its way in, whichever form the request has: what it shall be, and its bytes.

Raw bodies say so in headers, forms in fields before the file
(supabase/storage:src/storage/uploader.ts).
"""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import orjson
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from gavan.core.storage.body import is_content_type, no_content_type
from gavan.core.storage.errors import invalid_request, too_large
from gavan.core.storage.model import Bucket, Metadata
from gavan.core.storage.objects.form import BYTES_TYPE, MOST_AROUND_BYTES, Form
from gavan.core.storage.objects.robots import check_robots
from gavan.core.storage.rules import check_mime, is_empty_folder

NO_CACHE = "no-cache"
MOST_HEADER_CHARS = 4096
_UNSAFE = re.compile(r"[^\x20-\x7e\xa0-\xff]")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """``declared`` bytes when the request says how many the object has; ``request_length`` bytes
    are in the whole request, which is more when it is a form."""

    mime: str
    cache_control: str
    user_metadata: Metadata | None
    robots: str | None
    chunks: AsyncIterator[bytes]
    declared: int | None
    request_length: int | None


def check_type(mime: str) -> None:
    """Raise StorageError 415 for a type that does not come in a header and cannot go into one."""
    if not is_content_type(mime) or len(mime) > MOST_HEADER_CHARS or _UNSAFE.search(mime):
        raise no_content_type()


def check_cache_control(text: str) -> None:
    """Raise StorageError 400 for a text that did not come in a header and cannot go into one."""
    if len(text) > MOST_HEADER_CHARS or _UNSAFE.search(text):
        raise invalid_request("Invalid cacheControl")


def most_bytes(bucket: Bucket, name: str, size_limit: int) -> int:
    """Return how large an object may be: the least of the limits; a folder's keeper is empty."""
    if is_empty_folder(name):
        return 0
    limit = bucket.file_size_limit
    return size_limit if limit is None else min(size_limit, limit)


async def receive(request: Request, bucket: Bucket, name: str, most: int) -> Incoming:
    """Return the object that a request brings, its bytes still to be read.

    Raises:
        StorageError: its type is not one of the bucket's, it is larger than ``most`` bytes by its
            own account, or the request holds none; the same while the bytes are read.
    """
    robots = request.headers.get("x-robots-tag") or None
    if robots is not None:
        check_robots(robots)
    mime = request.headers.get("content-type", BYTES_TYPE)
    if mime.lower().startswith("multipart/form-data"):
        check_length(request, most + MOST_AROUND_BYTES)
        return await _from_form(request, bucket, name, robots)
    check_mime(mime, bucket.allowed_mime_types, name)
    length = check_length(request, most)
    return Incoming(
        mime=mime,
        cache_control=request.headers.get("cache-control", NO_CACHE),
        user_metadata=user_metadata(request),
        robots=robots,
        chunks=_pieces(request),
        declared=length,
        request_length=length,
    )


def check_length(request: Request, most: int) -> int | None:
    """Return the bytes of the whole request, if it says so; raise StorageError for too many."""
    length = request_length(request)
    if length is not None and length > most:
        raise too_large()
    return length


def request_length(request: Request) -> int | None:
    """Return the bytes of the whole request, None when it does not say."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() else None


def user_metadata(request: Request) -> Metadata | None:
    """Return the object in the header ``x-metadata``; None for what is none, as upstream."""
    header = request.headers.get("x-metadata")
    if header is None:
        return None
    text = header.encode("latin-1").translate(bytes.maketrans(b"-_", b"+/"))
    text = _NOT_BASE64.sub(b"", text.partition(b"=")[0])
    if len(text) % 4 == 1:
        text = text[:-1]
    return _json_object(base64.b64decode(text + b"=" * (-len(text) % 4)))


async def _from_form(request: Request, bucket: Bucket, name: str, robots: str | None) -> Incoming:
    _, options = parse_options_header(request.headers["content-type"])
    boundary = options.get(b"boundary")
    if not boundary:
        raise invalid_request("Multipart: Boundary not found")
    form = Form(_pieces(request), boundary)
    await form.open()
    mime = form.fields.get("contentType") or form.mime
    seconds = form.fields.get("cacheControl")
    cache_control = f"max-age={seconds}" if seconds else NO_CACHE
    check_mime(mime, bucket.allowed_mime_types, name)
    check_type(mime)
    check_cache_control(cache_control)
    text = form.fields.get("metadata", form.fields.get("userMetadata"))
    return Incoming(
        mime=mime,
        cache_control=cache_control,
        user_metadata=None if text is None else _json_object(text.encode()),
        robots=robots,
        chunks=form.chunks(),
        declared=None,
        request_length=request_length(request),
    )


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        if chunk:
            yield chunk


def _json_object(text: bytes) -> Metadata | None:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None
