"""Uploads in parts: begun, completed, aborted and listed; their parts are in parts.py.

Every call asks the policies again whether the object may come to be, as upstream does. What is on
its way lives in the store of blobs and in two tables, so it outlives the process.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import orjson
from starlette.responses import Response

from gavan.core.storage.buckets.find import find_bucket
from gavan.core.storage.errors import StorageError, invalid_request, provider_error, too_large
from gavan.core.storage.finish import carry_through
from gavan.core.storage.listing.pages import Asked, Entry
from gavan.core.storage.listing.pages import list_uploads as list_begun
from gavan.core.storage.model import StoredObject, blob_key
from gavan.core.storage.objects.incoming import most_bytes
from gavan.core.storage.rules import check_bucket_name
from gavan.core.storage.s3.answers import empty, xml
from gavan.core.storage.s3.documents import Markup, Node, element, read_document
from gavan.core.storage.s3.errors import invalid_part, malformed_xml, no_such_upload
from gavan.core.storage.s3.incoming import conditional, upload_of
from gavan.core.storage.s3.names import listed_name
from gavan.core.storage.s3.visit import Visit
from gavan.core.storage.store import Queries
from gavan.core.storage.uploads.uploads import Permit, Upload
from gavan.kit.storage.provider import BlobMissing, ProviderError

MOST_PARTS = 10_000
MOST_LISTED = 1000
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
    try:
        handle = await visit.commons.provider.begin(blob_key(version))
    except ProviderError as error:
        raise provider_error(error) from error
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


async def complete(visit: Visit) -> Response:
    """Make the object of the parts that the body names, of all without any."""
    named = await asyncio.to_thread(_named_parts, await visit.body.xml())
    begun = await find_begun(visit)
    upload = await conditional(visit, begun.upload)
    permit = await visit.commons.uploads.permit(upload, visit.judge)
    there = await _all_parts(visit, begun)
    chosen = _chosen(named, there)
    if sum(part.size for part in chosen) > upload.most:
        raise too_large()
    stored = await carry_through(_finish(visit, begun, permit, chosen))
    return xml(
        "CompleteMultipartUploadResult",
        element("Location", f"{upload.bucket_id}/{upload.name}"),
        element("Bucket", upload.bucket_id),
        element("Key", upload.name),
        element("ETag", stored.metadata["eTag"]),
    )


async def abort(visit: Visit) -> Response:
    """Forget an upload and its parts."""
    begun = await find_begun(visit)
    await visit.commons.uploads.permit(begun.upload, visit.judge)
    try:
        await visit.commons.provider.discard(begun.handle)
    except ProviderError as error:
        raise provider_error(error) from error
    await visit.commons.store.as_owner(queries("finish", begun.id))
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
    )
    return Begun(id=row["id"], handle=row["handle"], version=row["version"], upload=upload)


def _begun_entry(entry: Entry, encoding: str | None) -> Markup:
    return element(
        "Upload",
        element("Key", listed_name(entry["key"], encoding)),
        element("UploadId", entry["id"]),
        element("StorageClass", "STANDARD"),
        element("Initiated", entry["created_at"]),
    )


async def _finish(
    visit: Visit, begun: Begun, permit: Permit, parts: Sequence[Part]
) -> StoredObject:
    chosen = [(part.number, part.etag) for part in parts]
    try:
        written = await visit.commons.provider.join(begun.handle, chosen)
    except BlobMissing as error:
        raise no_such_upload() from error
    except ProviderError as error:
        raise provider_error(error) from error
    stored = await visit.commons.uploads.commit(permit, begun.version, written)
    await visit.commons.store.as_owner(queries("finish", begun.id))
    return stored


async def _all_parts(visit: Visit, begun: Begun) -> list[Part]:
    rows = await visit.commons.store.as_owner(queries("parts", begun.id, 0, MOST_PARTS))
    return _parts(rows.values[0][0])


def _parts(column: bytes | None) -> list[Part]:
    return [Part(**row) for row in orjson.loads(column or b"[]")]


def _chosen(named: Sequence[tuple[int, str]], there: Sequence[Part]) -> Sequence[Part]:
    """Return the parts that the object shall be made of, in their order."""
    if not named:
        if not there:
            raise malformed_xml("You must specify at least one part")
        return there
    by_number = {part.number: part for part in there}
    if any(first >= second for (first, _), (second, _) in itertools.pairwise(named)):
        raise StorageError(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
    for number, etag in named:
        if number not in by_number or by_number[number].etag != etag:
            raise invalid_part(
                "One or more of the specified parts could not be found. The part may not have been"
                f" uploaded, or its entity tag did not match: {number}"
            )
    return [by_number[number] for number, _ in named]


def _named_parts(body: bytes) -> list[tuple[int, str]]:
    if not body.strip():
        return []
    try:
        root = read_document(body)
    except ValueError as error:
        raise malformed_xml(str(error)) from error
    if root.name != "CompleteMultipartUpload":
        raise malformed_xml("CompleteMultipartUpload was expected")
    return [_named_part(part) for part in root.all("Part")]


def _named_part(part: Node) -> tuple[int, str]:
    number, etag = (part.value("PartNumber") or "").strip(), part.value("ETag")
    if not number.isascii() or not number.isdigit() or len(number) > 5 or etag is None:
        raise invalid_request("Body, CompleteMultipartUpload, Part must have PartNumber and ETag")
    if not 1 <= int(number) <= MOST_PARTS:
        raise invalid_request(f"Body, CompleteMultipartUpload, PartNumber must be <= {MOST_PARTS}")
    return int(number), etag.strip().strip('"')
