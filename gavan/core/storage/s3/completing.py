"""The end of an upload in parts: its object.

One request at a time, also among several cores. Parts are put together, the row follows, the rows
of the upload go last; a process that dies in between leaves an upload that is completed by the same
request again: what was put together is found by the version that only this upload has.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from itertools import pairwise

from starlette.responses import Response

from gavan.core.storage.errors import (
    StorageError,
    invalid_request,
    may_pass,
    too_large,
)
from gavan.core.storage.finish import carry_through
from gavan.core.storage.model import StoredObject
from gavan.core.storage.s3.answers import xml
from gavan.core.storage.s3.documents import Node, element, read_document
from gavan.core.storage.s3.errors import invalid_part, malformed_xml, no_such_upload
from gavan.core.storage.s3.incoming import conditional, told_as_condition
from gavan.core.storage.s3.multipart import (
    MOST_PARTS,
    WAIT_S,
    Begun,
    Part,
    all_parts,
    end,
    find_begun,
)
from gavan.core.storage.s3.visit import Visit
from gavan.core.storage.uploads.uploads import Permit
from gavan.kit.storage.blob import blob_key
from gavan.kit.storage.provider import BlobMissing, Written


async def complete(visit: Visit) -> Response:
    """Make the object of the parts that the body names, of all without any."""
    named = await asyncio.to_thread(_named_parts, await visit.body.xml())
    etag = await carry_through(_in_turn(visit, named))
    return xml(
        "CompleteMultipartUploadResult",
        element("Location", f"{visit.bucket_id}/{visit.key}"),
        element("Bucket", visit.bucket_id),
        element("Key", visit.key),
        element("ETag", etag),
    )


async def _in_turn(visit: Visit, named: Sequence[tuple[int, str]]) -> str:
    begun = await find_begun(visit)
    async with visit.turns.hold(begun.version, WAIT_S):
        begun = await find_begun(visit)  # another request may have ended it meanwhile
        return await _complete(visit, begun, named)


async def _complete(visit: Visit, begun: Begun, named: Sequence[tuple[int, str]]) -> str:
    """Return the ETag of the object."""
    chosen = _chosen(named, await all_parts(visit, begun))
    if sum(part.size for part in chosen) > begun.upload.most:
        raise too_large()
    permit = await visit.commons.uploads.permit(begun.upload, visit.judge)
    if permit.replaces == begun.version:  # the row was there when a process died
        await end(visit, begun)
        return f'"{_etag(chosen)}"'
    upload = await conditional(visit, begun.upload)
    with told_as_condition(is_upsert=upload.is_upsert):
        if upload is not begun.upload:
            permit = await visit.commons.uploads.permit(upload, visit.judge)
        written = await _joined(visit, begun, chosen)
        stored = await _commit(visit, begun, permit, written)
    etag: str = stored.metadata["eTag"]
    return etag


async def _joined(visit: Visit, begun: Begun, chosen: Sequence[Part]) -> Written:
    """Put the parts together, unless that was done before a process died."""
    provider = visit.commons.provider
    try:
        return await provider.join(begun.handle, [(part.number, part.etag) for part in chosen])
    except BlobMissing as missing:
        size = sum(part.size for part in chosen)
        try:
            reading = await provider.read(blob_key(begun.version))
        except BlobMissing:
            await end(visit, begun)
            raise no_such_upload() from missing
        await reading.close()
        if reading.size != size:
            raise invalid_part("These are not the parts that were put together") from missing
        return Written(size=size, etag=_etag(chosen))


async def _commit(visit: Visit, begun: Begun, permit: Permit, written: Written) -> StoredObject:
    """Make the row; the upload is over then, and also when the row was refused for good."""
    try:
        stored = await visit.commons.uploads.commit(permit, begun.version, written, keeps=True)
    except StorageError as error:
        if not may_pass(error):
            await end(visit, begun)
        raise
    await end(visit, begun)
    return stored


def _etag(parts: Sequence[Part]) -> str:
    """Return the ETag of an object of parts: the MD5 of their MD5s, and how many there were."""
    digests = b"".join(bytes.fromhex(part.etag) for part in parts)
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"


def _chosen(named: Sequence[tuple[int, str]], there: Sequence[Part]) -> Sequence[Part]:
    """Return the parts that the object shall be made of, in their order."""
    if not named:
        if not there:
            raise malformed_xml("You must specify at least one part")
        return there
    by_number = {part.number: part for part in there}
    if any(first >= second for (first, _), (second, _) in pairwise(named)):
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
