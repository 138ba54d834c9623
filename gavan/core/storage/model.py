"""Buckets and objects as the service speaks of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gavan.kit.storage.provider import BlobMissing

Metadata = dict[str, Any]
_VERSION = re.compile(r"[0-9a-z-]{3,64}")  # one case: some file systems know no other


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
    """One row of storage.objects; ``version`` names its blob.

    ``owner`` is ``owner_id`` when it is a UUID, in an older column; times are as they are answered.
    Only what was written just now has them.
    """

    id: str
    bucket_id: str
    name: str
    version: str
    metadata: Metadata
    user_metadata: Metadata | None
    owner: str | None = None
    owner_id: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    last_accessed_at: str | None = None


def blob_keys(versions: Iterable[str]) -> list[str]:
    """Return where the bytes of those versions are that name any."""
    return [blob_key(version) for version in versions if _VERSION.fullmatch(version)]


def blob_key(version: str) -> str:
    """Return where the bytes of a version are.

    The name of the object has no part in it: no name can lead anywhere, and moving an object moves
    no byte. A row may have come by other roads, with a version that names no blob of ours: then
    BlobMissing is raised.
    """
    if not _VERSION.fullmatch(version):
        raise BlobMissing(version)
    return f"{version[:2]}/{version}"
