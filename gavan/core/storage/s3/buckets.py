"""Buckets of the S3 protocol: the same rows, and the same policies, as in the storage protocol."""

from __future__ import annotations

import orjson
from starlette.responses import Response

from gavan.core.storage.buckets.rows import (
    create_bucket,
    delete_bucket,
    list_buckets,
    show_bucket,
)
from gavan.core.storage.buckets.wishes import Page
from gavan.core.storage.model import REGION
from gavan.core.storage.s3.answers import empty, xml
from gavan.core.storage.s3.documents import element
from gavan.core.storage.s3.visit import Visit

PUBLIC_ACL = "public-read"


async def list_all(visit: Visit) -> Response:
    """List the buckets that the caller sees."""
    page = Page(search="", column="name", order="asc", limit=None, offset=0)
    found = orjson.loads(await list_buckets(visit.commons.store, visit.judge, page))
    return xml(
        "ListAllMyBucketsResult",
        element(
            "Buckets",
            *(
                element(
                    "Bucket",
                    element("Name", bucket["id"]),
                    element("CreationDate", bucket["created_at"]),
                )
                for bucket in found
            ),
        ),
    )


async def create(visit: Visit) -> Response:
    """Make a bucket that belongs to the caller, a public one by its canned ACL."""
    await visit.body.xml()  # names a region; all buckets are in the same
    is_public = visit.headers.get("x-amz-acl") == PUBLIC_ACL
    name = visit.bucket_id
    await create_bucket(
        visit.commons.store, visit.judge, {"id": name, "name": name, "public": is_public}
    )
    return empty({"location": f"/{name}"})


async def delete(visit: Visit) -> Response:
    """Remove a bucket that is empty."""
    await delete_bucket(visit.commons.store, visit.judge, visit.bucket_id)
    return empty(status=204)


async def head(visit: Visit) -> Response:
    """Tell that the caller sees a bucket."""
    await show_bucket(visit.commons.store, visit.judge, visit.bucket_id)
    return empty({"x-amz-bucket-region": REGION})


async def location(visit: Visit) -> Response:
    """Tell where a bucket is."""
    await show_bucket(visit.commons.store, visit.judge, visit.bucket_id)
    return xml("LocationConstraint", REGION)


async def versioning(visit: Visit) -> Response:
    """Tell that nothing has versions."""
    await show_bucket(visit.commons.store, visit.judge, visit.bucket_id)
    return xml(
        "VersioningConfiguration",
        element("Status", "Suspended"),
        element("MfaDelete", "Disabled"),
    )
