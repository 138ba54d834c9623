"""Which names, sizes and types are taken (supabase/storage:src/storage/limits.ts)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gavan.core.storage.errors import StorageError, invalid_key, invalid_request

EMPTY_FOLDER = ".emptyFolderPlaceholder"
"""Last segment of the empty object by which a folder is kept"""
MOST_DEPTH = 100
"""How deep the metadata of a user may be nested; readers of JSON have limits of their own"""
RESERVED_SUFFIX = "--table-s3"
_KEY = re.compile(r"[A-Za-z0-9_/!.*'() &$@=;:+,?-]+")
_BUCKET = re.compile(r"[A-Za-z0-9_!.*'() &$@=;:+,?-]{1,100}")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)(gb|mb|kb|b)", re.IGNORECASE)
_UNITS = {"b": 1, "kb": 1_000, "mb": 1_000_000, "gb": 1_000_000_000}
_MOST_SIZE_TEXT = 32


def check_key(key: str) -> None:
    """Raise StorageError ``InvalidKey`` for a name that no object may have."""
    if not _KEY.fullmatch(key) or any(part in {".", ".."} for part in key.split("/")):
        raise invalid_key(key)


def check_bucket_name(name: str) -> None:
    """Raise StorageError ``InvalidBucketName`` for a name that no bucket may have."""
    is_trimmed = name == name.strip()
    if not _BUCKET.fullmatch(name) or not is_trimmed or name.endswith(RESERVED_SUFFIX):
        raise StorageError(400, "InvalidBucketName", "Bucket name invalid", error="Invalid Input")


def check_depth(metadata: Mapping[str, Any] | None) -> None:
    """Raise StorageError for metadata of a user that is nested too deeply."""
    level: list[Any] = [metadata]
    for _ in range(MOST_DEPTH):
        level = [inner for outer in level for inner in _inner(outer)]
        if not level:
            return
    raise invalid_request(f"metadata is nested more than {MOST_DEPTH} deep")


def _inner(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def is_empty_folder(key: str) -> bool:
    """Say whether an object only keeps a folder."""
    return key.endswith(EMPTY_FOLDER)


def check_mime(mime: str, allowed: Sequence[str] | None, key: str) -> None:
    """Raise StorageError 415 unless the declared type is one of the bucket's.

    Parameters of the type do not count; without a list everything is taken.
    """
    if not allowed or is_empty_folder(key):
        return
    bare = mime.partition(";")[0].strip().lower()
    kind = bare.partition("/")[0]
    listed = {item.strip().lower() for item in allowed}
    if "/" not in bare or not listed & {bare, f"{kind}/*", "*/*"}:
        raise StorageError(
            415,
            "InvalidMimeType",
            f"mime type {mime} is not supported",
            error="invalid_mime_type",
        )


def parse_size(text: str) -> int:
    """Return the bytes of ``20MB``, decimal as upstream; raise StorageError ``InvalidRequest``."""
    found = _SIZE.fullmatch(text.strip()) if len(text) < _MOST_SIZE_TEXT else None
    if found is None:
        raise invalid_request("Invalid file size format, hint: use 20GB / 20MB / 30KB / 3B")
    return int(float(found[1]) * _UNITS[found[2].lower()])
