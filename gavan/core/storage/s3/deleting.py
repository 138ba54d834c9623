"""Deletes of the S3 protocol: what is not there counts as deleted."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from gavan.core.storage.buckets.find import find_bucket
from gavan.core.storage.errors import access_denied
from gavan.core.storage.objects.deleting import delete_settled
from gavan.core.storage.s3.answers import empty, xml
from gavan.core.storage.s3.documents import element, read_document
from gavan.core.storage.s3.errors import malformed_xml, not_implemented
from gavan.core.storage.s3.visit import Visit

MOST_KEYS = 1000


async def delete(visit: Visit) -> Response:
    """Delete one object; 204 also when there is none, in a bucket that is there."""
    if "if-match" in visit.headers:
        raise not_implemented("If-Match of a delete")
    commons, bucket_id = visit.commons, visit.bucket_id
    deleted, kept = await delete_settled(commons, visit.judge, bucket_id, [visit.key])
    if kept:
        raise access_denied()
    if not deleted:
        await find_bucket(commons.store, bucket_id)
    return empty(status=204)


async def delete_many(visit: Visit) -> Response:
    """Delete what the policies let go of the named objects, and tell of each."""
    names, is_quiet = await asyncio.to_thread(_named, await visit.body.xml())
    commons, bucket_id = visit.commons, visit.bucket_id
    rows, kept = await delete_settled(commons, visit.judge, bucket_id, names)
    if not rows and not kept:
        await find_bucket(commons.store, bucket_id)
    return xml(
        "DeleteResult",
        *(
            element("Deleted", element("Key", name))
            for name in names
            if name not in kept and not is_quiet
        ),
        *(
            element(
                "Error",
                element("Key", name),
                element("Code", "AccessDenied"),
                element("Message", "Access Denied"),
            )
            for name in names
            if name in kept
        ),
    )


def _named(body: bytes) -> tuple[list[str], bool]:
    """Return the keys of a body, and whether only errors shall be told."""
    try:
        root = read_document(body)
    except ValueError as error:
        raise malformed_xml(str(error)) from error
    names = [item.value("Key") for item in root.all("Object")]
    if root.name != "Delete" or len(names) > MOST_KEYS:
        raise malformed_xml(f"Delete with at most {MOST_KEYS} objects was expected")
    named = [name for name in names if name is not None]
    if len(named) != len(names):
        raise malformed_xml("every Object needs a Key")
    return named, (root.value("Quiet") or "").strip().lower() == "true"
