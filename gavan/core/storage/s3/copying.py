"""CopyObject: an object made of another one, by the same road as in the storage protocol."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.responses import Response

from gavan.core.storage.errors import invalid_request, precondition_failed
from gavan.core.storage.model import Metadata
from gavan.core.storage.objects.conditions import (
    State,
    check_preconditions,
    is_known,
    read_moment,
)
from gavan.core.storage.objects.copying import Copy, Place, copy_object
from gavan.core.storage.s3.answers import xml
from gavan.core.storage.s3.documents import element
from gavan.core.storage.s3.errors import not_implemented
from gavan.core.storage.s3.incoming import told_as_condition, wants_new
from gavan.core.storage.s3.names import COPY_SOURCE, copy_source
from gavan.core.storage.s3.visit import Visit
from gavan.core.storage.uploads.uploads import S3

CONDITIONS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")


async def copy(visit: Visit) -> Response:
    """Copy an object that the caller may read; REPLACE takes the request's metadata instead."""
    directive = visit.headers.get("x-amz-metadata-directive", "COPY")
    if directive not in {"COPY", "REPLACE"}:
        raise invalid_request("x-amz-metadata-directive must be COPY or REPLACE")
    bucket_id, name = copy_source(visit.headers[COPY_SOURCE])
    is_copied = directive == "COPY"
    replaced: Metadata = {
        "cacheControl": visit.headers.get("cache-control"),
        "mimetype": visit.headers.get("content-type"),
    }
    if "if-match" in visit.headers:
        raise not_implemented("If-Match of a copy")
    wanted = Copy(
        source=Place(bucket_id=bucket_id, name=name),
        target=Place(bucket_id=visit.bucket_id, name=visit.key),
        judge=visit.judge,
        is_upsert=not wants_new(visit),
        replaced={} if is_copied else replaced,
        keeps_user_metadata=is_copied,
        user_metadata=None if is_copied else visit.metadata,
        check=lambda metadata: _check(visit, metadata),
        upload_type=S3,
    )
    with told_as_condition(is_upsert=wanted.is_upsert):
        stored = await copy_object(visit.commons, wanted)
    return xml(
        "CopyObjectResult",
        element("ETag", stored.metadata.get("eTag")),
        element("LastModified", stored.metadata.get("lastModified")),
    )


def _check(visit: Visit, metadata: Metadata) -> None:
    """Raise StorageError 412 unless the source is in the state that the headers want."""
    asked = {
        name: visit.headers[f"{COPY_SOURCE}-{name}"]
        for name in CONDITIONS
        if f"{COPY_SOURCE}-{name}" in visit.headers
    }
    modified = read_moment(metadata.get("lastModified")) or datetime.fromtimestamp(0, UTC)
    state = State(etag=str(metadata.get("eTag", "")), modified=modified)
    check_preconditions(asked, state)
    if is_known(asked, state):
        raise precondition_failed()
