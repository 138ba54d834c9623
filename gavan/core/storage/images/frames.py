"""What goes through the pipes between the core and the process that touches images.

A frame is four bytes of length, so much JSON, and as many bytes of a picture as the JSON says under
``size``. Both sides bound what they believe.
"""

from __future__ import annotations

import struct
from typing import Any

import orjson

LENGTH = struct.Struct("!I")
MOST_WORDS = 4096
"""Bytes of JSON in a frame"""
MEBIBYTE = 1024 * 1024
MOST_SOURCE = 25 * MEBIBYTE
MOST_RESULT = 25 * MEBIBYTE
MOST_PIXELS = 50_000_000


def words(document: dict[str, Any]) -> bytes:
    """Return the beginning of a frame; the picture follows it."""
    text = orjson.dumps(document)
    return LENGTH.pack(len(text)) + text


def length_of(head: bytes) -> int:
    """Return how many bytes of JSON follow; raise ValueError for more than is believable."""
    length: int = LENGTH.unpack(head)[0]
    if length > MOST_WORDS:
        raise ValueError(f"a frame of {length} bytes")
    return length
