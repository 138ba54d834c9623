"""Read the JSON bodies of the storage service, bounded and without surprises."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request

from gavan.core.storage.errors import StorageError, invalid_body, too_large

MOST_BYTES = 1024 * 1024


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
        StorageError: it is no JSON, or not an object.
    """
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
