"""Look a bucket up past all policies: what most calls need before they ask for an object."""

from __future__ import annotations

from pathlib import Path

import orjson

from gavan.core.storage.errors import no_such_bucket
from gavan.core.storage.model import Bucket
from gavan.core.storage.store import Queries, Store

_queries = Queries(Path(__file__).parent / "find.sql")


async def find_bucket(store: Store, bucket_id: str) -> Bucket:
    """Return the bucket, whoever asks; raise StorageError ``NoSuchBucket``."""
    rows = await store.as_owner(_queries("bucket", bucket_id))
    if not rows.values or rows.values[0][0] is None:
        raise no_such_bucket()
    found = orjson.loads(rows.values[0][0])
    types = found["allowed_mime_types"]
    return Bucket(
        id=found["id"],
        name=found["name"],
        is_public=bool(found["public"]),
        file_size_limit=found["file_size_limit"],
        allowed_mime_types=None if types is None else tuple(types),
    )
