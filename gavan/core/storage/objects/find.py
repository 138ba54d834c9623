"""Look objects up: past all policies, or as far as the caller's let him see.

What the reading routes, the S3 protocol and the rendering of images ask first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from gavan.core.storage.caller import Caller
from gavan.core.storage.errors import no_such_bucket, no_such_key
from gavan.core.storage.model import StoredObject
from gavan.core.storage.rules import check_key
from gavan.core.storage.store import Queries, Store
from gavan.database.session import Rows

_queries = Queries(Path(__file__).parent / "find.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundObject(StoredObject):
    """A row with its times, as ISO text in UTC with milliseconds."""

    created_at: str
    updated_at: str


async def find_public(store: Store, bucket_id: str, name: str) -> FoundObject:
    """Return an object of a public bucket, whoever asks.

    Raises:
        StorageError: ``NoSuchBucket`` also for a private one, ``NoSuchKey``, ``InvalidKey``.
    """
    is_public, found = await _find_open(store, bucket_id, name)
    if not is_public:
        raise no_such_bucket()
    return found or _missing(name)


async def find_readable(
    store: Store, caller: Caller, operation: str, bucket_id: str, name: str
) -> FoundObject:
    """Return an object of a public bucket, or one that the policies of the caller show.

    Raises:
        StorageError: ``NoSuchBucket``, for a visitor also for a private one; ``NoSuchKey`` also
            for what is not shown; ``InvalidKey``.
    """
    is_public, found = await _find_open(store, bucket_id, name)
    if not is_public and not caller.is_known:
        raise no_such_bucket()
    if is_public:
        return found or _missing(name)
    return await find_as_caller(store, caller, operation, bucket_id, name)


async def find_as_caller(
    store: Store, caller: Caller, operation: str, bucket_id: str, name: str
) -> FoundObject:
    """Return an object that the policies of the caller show; raise StorageError ``NoSuchKey``."""
    check_key(name)
    rows = await store.read_as_caller(caller, operation, _queries("object", bucket_id, name))
    return _only(rows) or _missing(name)


async def find_as_owner(store: Store, bucket_id: str, name: str) -> FoundObject:
    """Return an object past all policies; raise StorageError ``NoSuchKey``."""
    check_key(name)
    return _only(await store.read_as_owner(_queries("object", bucket_id, name))) or _missing(name)


async def visible_names(
    store: Store, caller: Caller, operation: str, bucket_id: str, names: Sequence[str]
) -> set[str]:
    """Return those of the names that the policies of the caller show."""
    statement = _queries("names", bucket_id, list(names))
    rows = await store.read_as_caller(caller, operation, statement)
    return {value.decode() for (value,) in rows.values if value is not None}


async def _find_open(store: Store, bucket_id: str, name: str) -> tuple[bool, FoundObject | None]:
    rows = await store.read_as_owner(_queries("open_object", bucket_id, name))
    if not rows.values:
        raise no_such_bucket()
    is_public, row = rows.values[0]
    return is_public == b"t", _found(row)


def _only(rows: Rows) -> FoundObject | None:
    return _found(rows.values[0][0]) if rows.values else None


def _found(row: bytes | None) -> FoundObject | None:
    read = orjson.loads(row) if row is not None else {"id": None}
    if read["id"] is None:
        return None
    metadata, of_user = read["metadata"], read["user_metadata"]
    # In a row that others wrote they may be anything.
    read["metadata"] = metadata if isinstance(metadata, dict) else {}
    read["user_metadata"] = of_user if isinstance(of_user, dict) else None
    return FoundObject(**read)


def _missing(name: str) -> FoundObject:
    check_key(name)
    raise no_such_key()
