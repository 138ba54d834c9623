"""Buckets and objects as the service speaks of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Metadata = dict[str, Any]
REGION = "local"
"""Where all buckets are; signatures of S3 may name any region (supabase/cli names this one)"""


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
