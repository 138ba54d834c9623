"""Parts of an upload: sent, or copied from an object that is there already."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from starlette.responses import Response

from gavan.core.storage.errors import (
    StorageError,
    invalid_body,
    invalid_request,
    provider_error,
    too_large,
)
from gavan.core.storage.finish import carry_through
from gavan.core.storage.objects.find import FoundObject, find_as_caller
from gavan.core.storage.objects.serving import size_of
from gavan.core.storage.s3.answers import empty, xml
from gavan.core.storage.s3.documents import element
from gavan.core.storage.s3.errors import no_such_upload
from gavan.core.storage.s3.multipart import MOST_PARTS, Begun, find_begun, queries
from gavan.core.storage.s3.names import COPY_SOURCE, copy_source
from gavan.core.storage.s3.visit import Visit
from gavan.kit.storage.blob import blob_key
from gavan.kit.storage.provider import BlobMissing, ProviderError, Written

MOST_PART_BYTES = 5 * 1024 * 1024 * 1024
_RANGE = re.compile(r"bytes=([0-9]{1,15})-([0-9]{1,15})")


async def send(visit: Visit) -> Response:
    """Take one part in; it replaces the one of its number."""
    number = _number(visit)
    length = visit.body.length
    if length is None:
        raise StorageError(
            400, "MissingContentLength", "You must provide the Content-Length HTTP header."
        )
    begun = await _permitted(visit)
    written = await _store(visit, begun, number, length, visit.body.chunks)
    return empty({"etag": f'"{written.etag}"', "Access-Control-Expose-Headers": "etag"})


async def copy(visit: Visit) -> Response:
    """Take one part from an object that the caller may read, whole or a range of it."""
    number = _number(visit)
    bucket_id, name = copy_source(visit.headers[COPY_SOURCE])
    source = await find_as_caller(
        visit.commons.store, visit.caller, visit.operation, bucket_id, name
    )
    first, last = _range(visit.headers.get(f"{COPY_SOURCE}-range"), source)
    begun = await _permitted(visit)
    length = last - first + 1
    chunks = _bytes_of(visit, source, first, last)
    written = await _store(visit, begun, number, length, chunks)
    return xml(
        "CopyPartResult",
        element("LastModified", source.updated_at),
        element("ETag", f'"{written.etag}"'),
    )


def _number(visit: Visit) -> int:
    if "partNumber" not in visit.query:
        raise invalid_body("Querystring must have required property 'partNumber'")
    return visit.number("partNumber", 0, 1, MOST_PARTS)


async def _permitted(visit: Visit) -> Begun:
    begun = await find_begun(visit)
    await visit.commons.uploads.permit(begun.upload, visit.judge)
    return begun


async def _store(
    visit: Visit, begun: Begun, number: int, length: int, chunks: AsyncIterator[bytes]
) -> Written:
    """Store a part and its row; the bytes count against the limit from their announcement on."""
    store, owner = visit.commons.store, visit.caller.sub
    if length > MOST_PART_BYTES:
        raise too_large()
    reserved = await store.as_owner(queries("reserve", begun.id, length, begun.upload.most))
    if not reserved.values:
        raise too_large()
    try:
        written = await visit.commons.provider.write_part(
            begun.handle, number, chunks, length=length
        )
        put = queries("put_part", begun.id, number, written.size, written.etag, owner)
        made = await store.as_owner(queries("lock", begun.id, then=put))
    except BaseException as error:
        await carry_through(store.as_owner(queries("release", begun.id, length)))
        if isinstance(error, BlobMissing):
            raise no_such_upload() from error
        if isinstance(error, ProviderError):
            raise provider_error(error) from error
        raise
    if made.then is None or not made.then.values:
        raise no_such_upload()
    return written


def _range(header: str | None, source: FoundObject) -> tuple[int, int]:
    size = size_of(source)
    if size is None:
        raise invalid_request("The row of the source does not tell its size")
    if header is None:
        return 0, size - 1
    found = _RANGE.fullmatch(header)
    if found is None or not int(found[1]) <= int(found[2]) < size:
        raise StorageError(400, "InvalidRange", "invalid range provided")
    return int(found[1]), int(found[2])


async def _bytes_of(
    visit: Visit, source: FoundObject, first: int, last: int
) -> AsyncIterator[bytes]:
    if last < first:
        return
    reading = await visit.commons.provider.read(blob_key(source.version), first=first, last=last)
    try:
        async for chunk in reading:
            yield chunk
    finally:
        await reading.close()
