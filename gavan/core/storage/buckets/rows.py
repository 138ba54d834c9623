"""Rows of storage.buckets as a caller: shown, made, changed and removed as policies allow.

What the routes of the storage protocol and those of the S3 protocol call.
"""

from __future__ import annotations

from pathlib import Path

from gavan.core.storage.buckets.wishes import Page
from gavan.core.storage.caller import uuid_or_none
from gavan.core.storage.errors import StorageError, already_exists, no_such_bucket
from gavan.core.storage.model import Metadata
from gavan.core.storage.rules import check_bucket_name
from gavan.core.storage.store import Queries, Store
from gavan.core.storage.uploads.uploads import Judge

_queries = Queries(Path(__file__).parent / "buckets.sql")


async def list_buckets(store: Store, judge: Judge, page: Page) -> bytes:
    """Return the buckets that the caller sees, as a JSON list."""
    statement = _queries("list", page.search, page.column, page.order, page.limit, page.offset)
    rows = await store.read_as_caller(judge.caller, judge.operation, statement)
    return rows.values[0][0] or b"[]"


async def show_bucket(store: Store, judge: Judge, bucket_id: str) -> bytes:
    """Return a bucket that the caller sees, as JSON; raise StorageError ``NoSuchBucket``."""
    statement = _queries("get", bucket_id)
    rows = await store.read_as_caller(judge.caller, judge.operation, statement)
    if not rows.values:
        raise no_such_bucket()
    return rows.values[0][0] or b""


async def create_bucket(store: Store, judge: Judge, wanted: Metadata) -> None:
    """Make a bucket that belongs to the caller; ``wanted`` as ``wishes.new_bucket`` returns it.

    Raises:
        StorageError: its name is none or is taken, or the policies refuse.
    """
    for name in (wanted["name"], wanted["id"]):
        check_bucket_name(name)
    sub = judge.caller.sub
    statement = _queries(
        "create",
        wanted["id"],
        wanted["name"],
        sub,
        uuid_or_none(sub),
        wanted["public"],
        wanted.get("file_size_limit"),
        wanted.get("allowed_mime_types"),
    )
    try:
        await store.as_caller(judge.caller, judge.operation, statement)
    except StorageError as error:
        if error.code != "ResourceAlreadyExists":
            raise
        raise already_exists("BucketAlreadyExists") from error


async def change_bucket(store: Store, judge: Judge, bucket_id: str, wanted: Metadata) -> None:
    """Change settings of a bucket; those that are not named stay. Raises as ``show_bucket``."""
    check_bucket_name(bucket_id)
    statement = _queries("update", bucket_id, wanted)
    if not (await store.as_caller(judge.caller, judge.operation, statement)).values:
        raise no_such_bucket()


async def delete_bucket(store: Store, judge: Judge, bucket_id: str) -> None:
    """Remove a bucket that is empty; raise StorageError for one that is not, or not the caller's
    to remove."""
    found = await store.read_as_owner(_queries("is_used", bucket_id))
    if not found.values:
        raise no_such_bucket()
    if found.values[0][0] == b"t":
        raise StorageError(409, "ResourceNotEmpty", "The bucket you tried to delete is not empty")
    statement = _queries("delete", bucket_id)
    if not (await store.as_caller(judge.caller, judge.operation, statement)).values:
        raise no_such_bucket()
