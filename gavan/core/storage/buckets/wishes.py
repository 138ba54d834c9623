"""What a request wants of a bucket, checked as upstream's schemas check it.

Upstream makes numbers and truth values of text where a schema wants them; so does this.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gavan.core.storage.errors import StorageError, invalid_body, too_large
from gavan.core.storage.model import Metadata
from gavan.core.storage.rules import parse_size

SORTED = ("id", "name", "created_at", "updated_at")
ORDERS = ("asc", "desc")
MOST_TYPE = 1000
"""Characters of one MIME type"""
_MOST_ROWS = 2**53
_NUMBER = re.compile(r"-?\d{1,16}", re.ASCII)
_SIZE = re.compile(r"\d+(\.\d+)?([gmk]?b)", re.IGNORECASE | re.ASCII)
_TYPE = re.compile(r"[a-zA-Z0-9+.-]+/[a-zA-Z0-9+.-]+(;\s*charset=[a-zA-Z0-9-]+)?|.*\*", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which buckets are listed; ``limit`` None: all."""

    search: str
    column: str | None
    order: str
    limit: int | None
    offset: int


def page_of(query: Mapping[str, str]) -> Page:
    """Return what a query asks for; raise StorageError for what fits no schema."""
    limit = _bounded(query, "limit", least=1)
    column, order = query.get("sortColumn"), query.get("sortOrder", ORDERS[0])
    for name, value, values in (("sortColumn", column, SORTED), ("sortOrder", order, ORDERS)):
        if value is not None and value not in values:
            raise invalid_body(f"querystring/{name} must be equal to one of the allowed values")
    return Page(
        search=query.get("search", ""),
        column=column,
        order=order,
        limit=limit,
        offset=_bounded(query, "offset", least=0) or 0,
    )


def new_bucket(body: Mapping[str, Any], most: int) -> Metadata:
    """Return ``id``, ``name`` and settings of the bucket a body wants, its names not yet checked.

    Args:
        most: bytes that an object of any bucket may have.

    Raises:
        StorageError: 400 for what fits no schema, 413 and 415 for settings out of bounds.
    """
    name = _text(body, "name")
    if name is None:
        raise invalid_body("body must have required property 'name'")
    if body.get("type", "STANDARD") not in {"STANDARD", "ANALYTICS"}:
        raise invalid_body("body/type must be equal to one of the allowed values")
    if body.get("type") == "ANALYTICS":
        raise StorageError(
            409,
            "FeatureNotEnabled",
            "The feature Iceberg buckets are not enabled for this tenant is not enabled"
            " for this resource",
        )
    return {"id": _text(body, "id") or name, "name": name, "public": False} | settings(body, most)


def changes(body: Mapping[str, Any], most: int) -> Metadata:
    """Return the settings that a body wants changed; raises as ``new_bucket``."""
    wanted = settings(body, most)
    if not body:
        raise invalid_body("body must NOT have fewer than 1 properties")
    if not wanted:
        raise invalid_body("body must have required property 'public'")
    return wanted


def settings(body: Mapping[str, Any], most: int) -> Metadata:
    """Return those of a bucket's settings that a body has; raises as ``new_bucket``."""
    wanted: Metadata = {}
    if "public" in body:
        wanted["public"] = _truth(body["public"])
    if "file_size_limit" in body:
        wanted["file_size_limit"] = _size_limit(body["file_size_limit"], most)
    if "allowed_mime_types" in body:
        wanted["allowed_mime_types"] = _types(body["allowed_mime_types"])
    return wanted


def _bounded(query: Mapping[str, str], name: str, *, least: int) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not _NUMBER.fullmatch(text):
        raise invalid_body(f"querystring/{name} must be integer")
    if int(text) < least:
        raise invalid_body(f"querystring/{name} must be >= {least}")
    return min(int(text), _MOST_ROWS)


def _text(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if value is not None and not isinstance(value, str):
        raise invalid_body(f"body/{name} must be string")
    return value


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", 1):
        return True
    if value in ("false", 0) or value is None:
        return False
    raise invalid_body("body/public must be boolean")


def _size_limit(value: Any, most: int) -> int | None:
    if value is None:
        return None
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value)
    if isinstance(value, str) and _SIZE.fullmatch(value):
        value = parse_size(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid_body("body/file_size_limit must be integer")
    if value < 0:
        raise invalid_body("body/file_size_limit must be >= 0")
    if value > most:
        raise too_large()
    return value


def _types(value: Any) -> list[str] | None:
    if value is None:
        return None
    listed = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in listed):
        raise invalid_body("body/allowed_mime_types must be array of strings")
    kept = [item for item in listed if item]
    for item in kept:
        if len(item) > MOST_TYPE or not _TYPE.fullmatch(item):
            raise StorageError(
                415,
                "InvalidMimeType",
                f"mime type {item[:MOST_TYPE]} is not supported",
                error="invalid_mime_type",
            )
    return kept
