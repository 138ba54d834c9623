"""What the tests of both providers share: bytes that come in chunks, and reading them back."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import uuid4

from gavan.kit.storage.provider import Found, Pending, Provider

MIB = 1024 * 1024


class SenderGoneError(Exception):
    """What a sender raises who stops in the middle."""


def some_bytes(size: int) -> bytes:
    """Return bytes that no two places of which are alike."""
    return random.Random(size).randbytes(size)


def new_key() -> str:
    """Return a key as the service makes them."""
    version = str(uuid4())
    return f"{version[:2]}/{version}"


async def in_chunks(
    data: bytes, size: int = 64 * 1024, *, fails: bool = False
) -> AsyncIterator[bytes]:
    """Send ``data``; fail after it when told to."""
    for at in range(0, len(data), size):
        yield data[at : at + size]
    if fails:
        raise SenderGoneError


async def content(
    provider: Provider, key: str, *, first: int = 0, last: int | None = None
) -> bytes:
    """Return the bytes under a key."""
    reading = await provider.read(key, first=first, last=last)
    try:
        return b"".join([chunk async for chunk in reading])
    finally:
        await reading.close()


@dataclass
class Shown:
    """Everything that a provider tells of itself."""

    blobs: dict[str, Found] = field(default_factory=dict)
    unfinished: dict[str, Pending] = field(default_factory=dict)


async def shown(provider: Provider) -> Shown:
    """Return the listing of a small store."""
    return Shown(
        {found.key: found async for found in provider.list()},
        {pending.handle: pending async for pending in provider.unfinished()},
    )
