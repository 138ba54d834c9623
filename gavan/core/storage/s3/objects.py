"""Objects of the S3 protocol: stored, sent, described."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

from starlette.responses import Response

from gavan.core.storage.model import Metadata
from gavan.core.storage.objects.find import FoundObject, find_as_caller
from gavan.core.storage.objects.serving import Asked, serve
from gavan.core.storage.s3.answers import empty, xml
from gavan.core.storage.s3.documents import element
from gavan.core.storage.s3.incoming import conditional, told_as_condition, upload_of
from gavan.core.storage.s3.visit import META, Visit

OVERRIDES = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
)
MISSING_META = "x-amz-missing-meta"
MOST_META_CHARS = 8 * 1024
"""What clients read of headers is bounded: by 16 kB in Node"""
MOST_HEADER_CHARS = 2048
_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,128}")
_VALUE = re.compile(r"[\x20-\x7e]*")


async def put(visit: Visit) -> Response:
    """Store an object, or replace one; the conditions of the request hold until it is there."""
    uploads = visit.commons.uploads
    upload = await conditional(visit, await upload_of(visit, declared=visit.body.length))
    with told_as_condition(is_upsert=upload.is_upsert):
        permit = await uploads.permit(upload, visit.judge)
        stored = await uploads.store(permit, visit.body.chunks)
    return empty({"etag": stored.metadata["eTag"]})


async def get(visit: Visit) -> Response:
    """Send an object, or a part of it, to who sees its row; HEAD is answered from the row."""
    find = partial(
        find_as_caller,
        visit.commons.store,
        visit.caller,
        visit.operation,
        visit.bucket_id,
        visit.key,
    )
    found = await find()
    asked = Asked(
        is_head=visit.request.method == "HEAD",
        headers=visit.headers,
        overrides={**_overrides(visit.query), **_meta(found)},
    )
    return await serve(visit.commons.provider, found, asked, again=find)


async def get_tags(visit: Visit) -> Response:
    """Tell the tags of an object: none, as upstream."""
    await find_as_caller(
        visit.commons.store, visit.caller, visit.operation, visit.bucket_id, visit.key
    )
    return xml("Tagging", element("TagSet"))


def _overrides(query: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that the query sets; what no header can carry is left out, as upstream."""
    asked = {name: query.get(f"response-{name}", "") for name in OVERRIDES}
    return {name: value for name, value in asked.items() if value and _VALUE.fullmatch(value)}


def _meta(found: FoundObject) -> dict[str, str]:
    """Return the metadata of a user as headers, and how many no header can carry.

    What is too long, and what the headers of one answer have no room for, counts too.
    """
    metadata: Metadata = found.user_metadata or {}
    headers: dict[str, str] = {}
    left = MOST_META_CHARS
    for name, value in metadata.items():
        header = f"{META}{name.lower()}"
        is_fit = _NAME.fullmatch(name.lower()) and _is_writable(value)
        if is_fit and len(header) + len(value) <= left:
            left -= len(header) + len(value)
            headers[header] = value
    missing = len(metadata) - len(headers)
    return {**headers, MISSING_META: str(missing)} if missing else headers


def _is_writable(value: object) -> bool:
    return (
        isinstance(value, str)
        and len(value) <= MOST_HEADER_CHARS
        and _VALUE.fullmatch(value) is not None
    )
