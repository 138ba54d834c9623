"""``Upload-Metadata``: what a client says of the object, as keys with values in Base64.

Strict as upstream (tus/tus-node-server:packages/utils/src/models/Metadata.ts). Pure.
"""

from __future__ import annotations

import base64
import re
from typing import Any

import orjson

Pairs = dict[str, str | None]

DEFAULT_MIME = "application/octet-stream"
NO_CACHE = "no-cache"
MOST_CHARS = 16 * 1024
"""What clients take of it in the answer to HEAD: Node refuses headers of more than 16 KiB"""
_KEY = re.compile(r"[!-+\--~]+")  # visible ASCII without the comma
_VALUE = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)?")
_SECONDS = re.compile(r"-?[0-9]{1,20}")


def parse(text: str) -> Pairs:
    """Return the pairs; a key without a value has None.

    Raises:
        ValueError: a key is empty, said twice or not ASCII, a value is no Base64 of UTF-8, or it is
            too long.
    """
    if len(text) > MOST_CHARS:
        raise ValueError("metadata is too long")
    pairs: Pairs = {}
    for pair in text.split(","):
        key, _, value = pair.partition(" ")
        if not _KEY.fullmatch(key) or key in pairs or not _VALUE.fullmatch(value):
            raise ValueError(f"no pair of metadata: {pair[:50]}")
        pairs[key] = base64.b64decode(value).decode() if value else None
    return pairs


def compose(pairs: Pairs) -> str:
    """Return the header of pairs, the reverse of ``parse``."""
    return ",".join(
        key if value is None else f"{key} {base64.b64encode(value.encode()).decode()}"
        for key, value in pairs.items()
    )


def cache_control(pairs: Pairs) -> str:
    """Return the header ``Cache-Control`` of the object: the client tells seconds, or nothing."""
    seconds = pairs.get("cacheControl") or ""
    return f"max-age={seconds}" if _SECONDS.fullmatch(seconds) else NO_CACHE


def user_metadata(pairs: Pairs) -> dict[str, Any] | None:
    """Return what the client wants kept with the object; what is no JSON object is ignored."""
    try:
        document = orjson.loads(pairs.get("metadata") or "null")
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None
