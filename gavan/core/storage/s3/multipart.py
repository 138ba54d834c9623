"""Uploads in parts: begun, aborted and listed. Their parts are in parts.py, their end in
completing.py.

Every call asks the policies again whether the object may come to be, as upstream does. What is on
its way lives in the store of blobs and in two tables, so it outlives the process.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import orjson
from starlette.responses import Response

from gavan.core.storage.buckets.find import find_bucket
from gavan.core.storage.listing.pages import Asked, Entry
from gavan.core.storage.listing.pages import list_uploads as list_begun
from gavan.core.storage.objects.incoming import most_bytes
from gavan.core.storage.rules import check_bucket_name
from gavan.core.storage.s3.answers import empty, xml
from gavan.core.storage.s3.documents import Markup, element
from gavan.core.storage.s3.errors import no_such_upload
from gavan.core.storage.s3.incoming import upload_of
from gavan.core.storage.s3.names import listed_name
from gavan.core.storage.s3.visit import Visit
from gavan.core.storage.store import Queries
from gavan.core.storage.uploads.uploads import S3, Upload
from gavan.kit.storage.blob import blob_key

MOST_PARTS = 10_000
MOST_LISTED = 1000
WAIT_S = 60.0
"""How long a request waits while another one ends the same upload; putting together takes time"""
queries = Queries(Path(__file__).parent / "multipart.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """An upload on its way; ``handle`` is what the store of blobs calls it."""

    id: str
    handle: str
    version: str
    upload: Upload


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part that has arrived."""

    number: int
    size: int
    etag: str
    created_at: str


async def create(visit: Visit) -> Response:
    """Begin an upload; the policies see the type and metadata that the object will have."""
    upload = await upload_of(visit, declared=None)
    await visit.commons.uploads.permit(upload, visit.judge)
    upload_id, version = uuid4().hex, str(uuid4())
    handle = await visit.commons.provider.begin(blob_key(version))
    await visit.commons.store.as_owner(
        queries(
            "begin",
            upload_id,
            handle,
            upload.bucket_id,
            upload.name,
            version,
            upload.owner,
            upload.user_metadata,
            {"mimetype": upload.mime, "cacheControl": upload.cache_control},
        )
    )
    return xml(
        "InitiateMultipartUploadResult",
        element("Bucket", upload.bucket_id),
        element("Key", upload.name),
        element("UploadId", upload_id),
    )


async def abort(visit: Visit) -> Response:
    """Forget an upload and its parts."""
    begun = await find_begun(visit)
    await visit.commons.uploads.permit(begun.upload, visit.judge)
    async with visit.turns.hold(begun.version, WAIT_S):
        await visit.commons.provider.discard(begun.handle)
        await end(visit, begun)
    return empty(status=204)


async def list_parts(visit: Visit) -> Response:
    """List what has arrived of an upload, as far as policies show it."""
    begun = await find_begun(visit)
    most = visit.number("max-parts", MOST_LISTED, 1, MOST_LISTED)
    marker = visit.number("part-number-marker", 0, 0, MOST_PARTS)
    rows = await visit.commons.store.read_as_caller(
        visit.caller, visit.operation, queries("parts", begun.id, marker, most + 1)
    )
    found = _parts(rows.values[0][0])
    listed = found[:most]
    is_truncated = len(found) > most
    return xml(
        "ListPartsResult",
        element("Bucket", visit.bucket_id),
        element("Key", visit.key),
        element("UploadId", begun.id),
        element("PartNumberMarker", marker),
        element("NextPartNumberMarker", listed[-1].number if is_truncated else None),
        element("MaxParts", most),
        element("IsTruncated", is_truncated),
        *(
            element(
                "Part",
                element("PartNumber", part.number),
                element("LastModified", part.created_at),
                element("ETag", f'"{part.etag}"'),
                element("Size", part.size),
            )
            for part in listed
        ),
    )


async def list_uploads(visit: Visit) -> Response:
    """List the uploads of a bucket that are on their way, as far as policies show them."""
    await find_bucket(visit.commons.store, visit.bucket_id)
    query, encoding = visit.query, visit.query.get("encoding-type")
    asked = Asked(
        bucket_id=visit.bucket_id,
        prefix=query.get("prefix", ""),
        delimiter=query.get("delimiter", ""),
        limit=visit.number("max-uploads", MOST_LISTED, 1, MOST_LISTED),
        start_after=query.get("key-marker", ""),
    )
    id_marker = query.get("upload-id-marker", "")
    page = await list_begun(visit.commons.store, visit.caller, visit.operation, asked, id_marker)
    return xml(
        "ListMultipartUploadsResult",
        element("Bucket", visit.bucket_id),
        element("Prefix", listed_name(asked.prefix, encoding)),
        element("KeyMarker", listed_name(asked.start_after, encoding)),
        element("UploadIdMarker", id_marker),
        element("NextKeyMarker", listed_name(page.next_key, encoding)),
        element("NextUploadIdMarker", page.next_id),
        element("MaxUploads", asked.limit),
        element("Delimiter", listed_name(asked.delimiter or None, encoding)),
        element("EncodingType", encoding),
        element("IsTruncated", page.next_key is not None),
        *(_begun_entry(entry, encoding) for entry in page.uploads),
        *(
            element("CommonPrefixes", element("Prefix", listed_name(folder, encoding)))
            for folder in page.folders
        ),
    )


async def find_begun(visit: Visit) -> Begun:
    """Return the upload that the query names; raise StorageError ``NoSuchUpload``.

    Its key must be that of the request: policies judge by it.
    """
    check_bucket_name(visit.bucket_id)
    statement = queries("upload", visit.query["uploadId"], visit.bucket_id, visit.key)
    rows = await visit.commons.store.as_owner(statement)
    if not rows.values or rows.values[0][0] is None:
        raise no_such_upload()
    row = orjson.loads(rows.values[0][0])
    bucket = await find_bucket(visit.commons.store, visit.bucket_id)
    upload = Upload(
        bucket_id=visit.bucket_id,
        name=visit.key,
        owner=row["owner"],
        mime=row["metadata"]["mimetype"],
        cache_control=row["metadata"]["cacheControl"],
        most=most_bytes(bucket, visit.key, visit.commons.config.size_limit),
        is_upsert=True,
        user_metadata=row["user_metadata"],
        origin=visit.caller.origin,
        upload_type=S3,
    )
    return Begun(id=row["id"], handle=row["handle"], version=row["version"], upload=upload)


async def end(visit: Visit, begun: Begun) -> None:
    """Forget the rows of an upload that is over."""
    await visit.commons.store.as_owner(queries("finish", begun.id))


def _begun_entry(entry: Entry, encoding: str | None) -> Markup:
    return element(
        "Upload",
        element("Key", listed_name(entry["key"], encoding)),
        element("UploadId", entry["id"]),
        element("StorageClass", "STANDARD"),
        element("Initiated", entry["created_at"]),
    )


async def all_parts(visit: Visit, begun: Begun) -> list[Part]:
    """Return all that has arrived of an upload, by number."""
    rows = await visit.commons.store.as_owner(queries("parts", begun.id, 0, MOST_PARTS))
    return _parts(rows.values[0][0])


def _parts(column: bytes | None) -> list[Part]:
    return [Part(**row) for row in orjson.loads(column or b"[]")]
