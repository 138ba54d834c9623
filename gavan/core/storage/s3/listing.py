"""ListObjects, both versions: pages of what the caller may see."""

from __future__ import annotations

import orjson
from starlette.responses import Response

from gavan.core.storage.buckets.find import find_bucket
from gavan.core.storage.listing.pages import MOST_ENTRIES, Asked, Entry, Page, list_page
from gavan.core.storage.model import Metadata
from gavan.core.storage.objects.conditions import read_moment
from gavan.core.storage.s3.answers import xml
from gavan.core.storage.s3.documents import Markup, element
from gavan.core.storage.s3.names import listed_name
from gavan.core.storage.s3.visit import Visit

MOST_NUMBER = 2**31 - 1


async def list_v2(visit: Visit) -> Response:
    """Answer one page, and a token that leads to the next."""
    query = visit.query
    token, after = query.get("continuation-token", ""), query.get("start-after", "")
    page = await _page(visit, token=token, start_after="" if token else after)
    encoding = query.get("encoding-type")
    return xml(
        "ListBucketResult",
        *_head(visit),
        element("StartAfter", listed_name(after or None, encoding)),
        element("ContinuationToken", token or None),
        element("NextContinuationToken", page.next_token),
        element("KeyCount", len(page.objects) + len(page.folders)),
        element("IsTruncated", page.next_token is not None),
        *_entries(page, encoding),
    )


async def list_v1(visit: Visit) -> Response:
    """Answer one page; the next one begins after its last name."""
    query = visit.query
    marker, encoding = query.get("marker", ""), query.get("encoding-type")
    page = await _page(visit, token="", start_after=marker)
    next_marker = page.next_name if query.get("delimiter") else None
    return xml(
        "ListBucketResult",
        *_head(visit),
        element("Marker", listed_name(marker, encoding)),
        element("NextMarker", listed_name(next_marker, encoding)),
        element("IsTruncated", page.next_name is not None),
        *_entries(page, encoding),
    )


async def _page(visit: Visit, *, token: str, start_after: str) -> Page:
    await find_bucket(visit.commons.store, visit.bucket_id)
    return await list_page(
        visit.commons.store,
        visit.caller,
        visit.operation,
        Asked(
            bucket_id=visit.bucket_id,
            prefix=visit.query.get("prefix", ""),
            delimiter=visit.query.get("delimiter", ""),
            limit=_most(visit),
            token=token,
            start_after=start_after,
        ),
    )


def _most(visit: Visit) -> int:
    return min(visit.number("max-keys", MOST_ENTRIES, 0, MOST_NUMBER), MOST_ENTRIES)


def _head(visit: Visit) -> list[Markup]:
    query = visit.query
    encoding = query.get("encoding-type")
    return [
        element("Name", visit.bucket_id),
        element("Prefix", listed_name(query.get("prefix", ""), encoding)),
        element("Delimiter", listed_name(query.get("delimiter") or None, encoding)),
        element("EncodingType", encoding),
        element("MaxKeys", _most(visit)),
    ]


def _entries(page: Page, encoding: str | None) -> list[Markup]:
    return [
        *(_content(entry, encoding) for entry in page.objects),
        *(
            element("CommonPrefixes", element("Prefix", listed_name(entry["name"], encoding)))
            for entry in page.folders
        ),
    ]


def _content(entry: Entry, encoding: str | None) -> Markup:
    metadata = _metadata(entry)
    modified, size = metadata.get("lastModified"), metadata.get("size")
    return element(
        "Contents",
        element("Key", listed_name(entry["name"], encoding)),
        element("LastModified", modified if read_moment(modified) else entry["updated_at"]),
        element("ETag", metadata.get("eTag")),
        element("Size", size if isinstance(size, int) else 0),
        element("StorageClass", "STANDARD"),
    )


def _metadata(entry: Entry) -> Metadata:
    """Return the metadata of an entry; of a row that others wrote it may be anything."""
    try:
        found = orjson.loads(entry["metadata"] or "{}")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
