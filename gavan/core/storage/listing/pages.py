"""Pages of objects and of uploads in progress: what list v2 and the S3 protocol answer from.

Stands between their routes and the functions of system migration 031; policies bind every row.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from gavan.core.storage.caller import Caller
from gavan.core.storage.listing.cursor import Cursor, read_cursor
from gavan.core.storage.store import Queries, Store

MOST_ENTRIES = 1000
Entry = dict[str, Any]
queries = Queries(Path(__file__).parent / "pages.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a page shall hold.

    Args:
        prefix: what every name begins with, letter by letter.
        delimiter: names that have it after the prefix become folders; empty: none do.
        limit: most entries, at most 1000.
        token: ``next_token`` of the page before; it brings its own order.
        start_after: the last name before the page, without a token.
        column: ``name``, or with the delimiter ``/`` or none also ``created_at``, ``updated_at``.
        order: ``asc`` or ``desc``.
    """

    bucket_id: str
    prefix: str = ""
    delimiter: str = ""
    limit: int = MOST_ENTRIES
    token: str = ""
    start_after: str = ""
    column: str = "name"
    order: str = "asc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Entries in order, with ``id``, times in ISO form, and ``metadata`` as JSON text or None.

    Folders' names end with the delimiter. ``next_token`` and ``next_name`` lead to the next page
    and are None on the last one.
    """

    folders: list[Entry]
    objects: list[Entry]
    next_token: str | None = None
    next_name: str | None = None


async def list_page(store: Store, caller: Caller, operation: str, asked: Asked) -> Page:
    """Return one page of the objects that the caller may see.

    Raises:
        StorageError: the token is none of ours; or what Postgres refuses.
    """
    at = (
        read_cursor(asked.token)
        if asked.token
        else Cursor(after=asked.start_after, order=asked.order, column=asked.column)
    )
    limit = max(0, min(asked.limit, MOST_ENTRIES))
    times = (asked.bucket_id, asked.prefix, limit + 1, at.after, at.order, at.column, at.time)
    if at.column == "name":
        statement = queries(
            "by_name",
            *(asked.bucket_id, asked.prefix, asked.delimiter, limit + 1, at.after, at.order),
        )
    elif asked.delimiter:
        statement = queries("by_time", *times)
    else:
        statement = queries("objects_by_time", *times)
    rows = await store.read_as_caller(caller, operation, statement)
    found: list[Entry] = orjson.loads(rows.values[0][0] or b"[]")
    page = found[:limit]
    for entry in page:
        if entry["id"] is None:
            entry["name"] += asked.delimiter
    has_next = len(found) > limit > 0
    return Page(
        folders=[entry for entry in page if entry["id"] is None],
        objects=[entry for entry in page if entry["id"] is not None],
        next_token=str(_behind(page[-1], at)) if has_next else None,
        next_name=page[-1]["name"] if has_next else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadPage:
    """Uploads in progress by key (``key``, ``id``, ``created_at``); folders end with the delimiter.

    ``next_key`` and ``next_id`` are the markers of the next page, None on the last one.
    """

    folders: list[str]
    uploads: list[Entry]
    next_key: str | None = None
    next_id: str | None = None


async def list_uploads(
    store: Store, caller: Caller, operation: str, asked: Asked, upload_after: str = ""
) -> UploadPage:
    """Return one page of the multipart uploads that the caller may see.

    Args:
        asked: ``start_after`` is the key to start after; order and token do not count.
        upload_after: with it also later uploads to that same key come.

    Raises:
        StorageError: what Postgres refuses.
    """
    limit = max(0, min(asked.limit, MOST_ENTRIES))
    values = (asked.bucket_id, asked.prefix, asked.delimiter, limit + 1)
    statement = queries("uploads", *values, asked.start_after, upload_after)
    rows = await store.read_as_caller(caller, operation, statement)
    found: list[Entry] = orjson.loads(rows.values[0][0] or b"[]")
    page = found[:limit]
    has_next = len(found) > limit > 0
    return UploadPage(
        folders=[entry["key"] for entry in page if _is_folder(entry["key"], asked)],
        uploads=[entry for entry in page if not _is_folder(entry["key"], asked)],
        next_key=page[-1]["key"] if has_next else None,
        next_id=page[-1]["id"] if has_next else None,
    )


def _behind(entry: Entry, at: Cursor) -> Cursor:
    time = "" if at.column == "name" else entry[at.column] or ""
    return Cursor(after=entry["name"], order=at.order, column=at.column, time=time)


def _is_folder(key: str, asked: Asked) -> bool:
    return bool(asked.delimiter) and asked.delimiter in key[len(asked.prefix) :]
