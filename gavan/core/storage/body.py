"""Read the JSON bodies of the storage service, bounded and without surprises; check their type."""

from __future__ import annotations

import re
from typing import Any

import orjson
from starlette.requests import Request

from gavan.core.storage.errors import StorageError, invalid_body, too_large

MOST_BYTES = 1024 * 1024
_TOKEN = r"[\w!#$%&'*+.^`|~-]+"  # noqa: S105 - RFC 9110, not a secret
_TYPE = re.compile(rf"{_TOKEN}/{_TOKEN}[ ]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?", re.ASCII)


def check_content_type(request: Request) -> None:
    """Raise StorageError 415 for a header ``Content-Type`` that is none."""
    mime = request.headers.get("content-type")
    if mime is not None and not is_content_type(mime):
        raise no_content_type()


def is_content_type(mime: str) -> bool:
    """Say whether a text is a type, with parameters or without."""
    return _TYPE.fullmatch(mime) is not None


def no_content_type() -> StorageError:
    """Return the answer for a type that is none."""
    return StorageError(
        415, "InvalidMimeType", "Invalid Content-Type header", error="invalid_mime_type"
    )


async def read_bounded(request: Request, most: int = MOST_BYTES) -> bytes:
    """Return a body of at most ``most`` bytes; raise StorageError 413 beyond them."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise too_large()
    return bytes(body)


async def read_object(request: Request) -> dict[str, Any]:
    """Return the JSON object of a body, an empty one for no body.

    Raises:
        StorageError: it is no JSON, or not an object, or its type is none.
    """
    check_content_type(request)
    body = await read_bounded(request)
    if not body.strip():
        return {}
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise StorageError(
            400, "InvalidRequest", "Body is not valid JSON", error="Error"
        ) from error
    if not isinstance(document, dict):
        raise invalid_body("body must be object")
    return document
