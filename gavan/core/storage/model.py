"""Buckets and objects as the service speaks of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Metadata = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """``file_size_limit`` in bytes; ``allowed_mime_types`` None takes any."""

    id: str
    name: str
    is_public: bool
    file_size_limit: int | None
    allowed_mime_types: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """One row of storage.objects; ``version`` names its blob."""

    id: str
    bucket_id: str
    name: str
    version: str
    metadata: Metadata
    user_metadata: Metadata | None


def blob_key(version: str) -> str:
    """Return where the bytes of a version are.

    The name of the object has no part in it: no name can lead anywhere, and moving an object moves
    no byte.
    """
    return f"{version[:2]}/{version}"
