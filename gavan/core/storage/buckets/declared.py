"""Make the buckets that the stack file declares, and change those whose settings differ.

Runs at the start of the service, before it answers. Several cores may do so at once; a bucket that
left the file stays, for its objects are somebody's.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import orjson

from gavan.core.storage.config import DeclaredBucket
from gavan.core.storage.errors import StorageError
from gavan.core.storage.store import Queries, Store

ATTEMPTS = 3
_REFUSALS = frozenset({400, 404, 409})
_queries = Queries(Path(__file__).parent / "declared.sql")
logger = logging.getLogger(__name__)


async def declare_buckets(store: Store, buckets: Sequence[DeclaredBucket]) -> None:
    """Bring the table to what the stack file says; a bucket that Postgres refuses is logged.

    Raises:
        StorageError: Postgres is down, or its schema is not there yet: try again later.
    """
    for bucket in buckets:
        try:
            done = await _declare(store, bucket)
        except StorageError as error:
            if error.status not in _REFUSALS:
                raise
            logger.warning(
                "the bucket %s of the stack file cannot be made: %s", bucket.id, error.message,
                extra={"event": "storage.bucket_refused", "bucket": bucket.id},
            )  # fmt: skip
            continue
        if done:
            logger.info("bucket %s %s", bucket.id, done,
                        extra={"event": f"storage.bucket_{done}", "bucket": bucket.id})  # fmt: skip
    if buckets:
        await _tell_others(store, buckets)


async def _declare(store: Store, bucket: DeclaredBucket) -> str:
    """Return ``made``, ``changed`` or nothing."""
    types = bucket.allowed_mime_types
    statement = _queries(
        "declare",
        bucket.id,
        bucket.is_public,
        bucket.file_size_limit,
        list(types) if types else None,
    )
    for _ in range(ATTEMPTS - 1):
        try:
            return _word((await store.as_owner(statement)).values)
        except StorageError as error:
            # Another core makes the same bucket at this moment: Postgres arbitrates by id alone and
            # may meet the index on names first. The next try finds the bucket there.
            if error.status != 409:
                raise
    return _word((await store.as_owner(statement)).values)


def _word(values: list[tuple[bytes | None, ...]]) -> str:
    return (values[0][0] or b"").decode() if values else ""


async def _tell_others(store: Store, buckets: Sequence[DeclaredBucket]) -> None:
    rows = await store.as_owner(_queries("others", [bucket.id for bucket in buckets]))
    others = orjson.loads(rows.values[0][0] or b"[]")
    if others:
        logger.info(
            "buckets that the stack file does not name stay as they are: %s", ", ".join(others),
            extra={"event": "storage.buckets_undeclared", "buckets": others},
        )  # fmt: skip
