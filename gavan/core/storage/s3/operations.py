"""Which operation a request is: told by its method, its depth, its query and one header.

The first that fits is taken (supabase/storage:src/http/routes/s3/router.ts). Unlike upstream, a
part of S3 that is not offered is refused: there, setting the access list of an object overwrites
its bytes, and deleting the policy of a bucket deletes the bucket.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from starlette.responses import Response

from gavan.core.storage.s3 import (
    buckets,
    completing,
    copying,
    deleting,
    listing,
    multipart,
    objects,
    parts,
)
from gavan.core.storage.s3.errors import not_implemented
from gavan.core.storage.s3.names import COPY_SOURCE
from gavan.core.storage.s3.visit import Visit

SERVICE, BUCKET, OBJECT = 0, 1, 2
NOT_OFFERED = frozenset(
    {
        "accelerate",
        "acl",
        "analytics",
        "attributes",
        "cors",
        "encryption",
        "intelligent-tiering",
        "inventory",
        "legal-hold",
        "lifecycle",
        "logging",
        "metrics",
        "notification",
        "object-lock",
        "ownershipControls",
        "policy",
        "policyStatus",
        "publicAccessBlock",
        "renameObject",
        "replication",
        "requestPayment",
        "restore",
        "retention",
        "select",
        "session",
        "tagging",
        "torrent",
        "versioning",
        "versions",
        "website",
    }
)
PROMISES = ("x-amz-object-lock-", "x-amz-server-side-encryption-customer-")
"""Beginnings of headers that ask for what would not be kept: refused, not passed over"""


@dataclass(frozen=True, slots=True)
class Operation:
    """``name`` is what policies are told; ``query`` lists ``name`` or ``name=value`` that must be
    there, ``header`` one that must."""

    method: str
    depth: int
    name: str
    run: Callable[[Visit], Awaitable[Response]]
    query: tuple[str, ...] = ()
    header: str | None = None

    def fits(self, query: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        """Say whether a request of this method and depth is this operation."""
        if self.header is not None and self.header not in headers:
            return False
        wanted = (part.partition("=") for part in self.query)
        return all(name in query and value in {"", query[name]} for name, _, value in wanted)


_OFFERED = (
    Operation("GET", SERVICE, "bucket.list", buckets.list_all),
    Operation("PUT", BUCKET, "bucket.create", buckets.create),
    Operation("DELETE", BUCKET, "bucket.delete", buckets.delete),
    Operation("HEAD", BUCKET, "bucket.head", buckets.head),
    Operation("GET", BUCKET, "bucket.get_location", buckets.location, ("location",)),
    Operation("GET", BUCKET, "bucket.get_versioning", buckets.versioning, ("versioning",)),
    Operation("GET", BUCKET, "upload.list_multipart", multipart.list_uploads, ("uploads",)),
    Operation("GET", BUCKET, "object.list", listing.list_v2, ("list-type=2",)),
    Operation("GET", BUCKET, "object.list", listing.list_v1),
    Operation("POST", BUCKET, "object.delete_many", deleting.delete_many, ("delete",)),
    Operation(
        "PUT", OBJECT, "upload.part_copy", parts.copy, ("uploadId", "partNumber"), COPY_SOURCE
    ),
    Operation("PUT", OBJECT, "object.copy", copying.copy, (), COPY_SOURCE),
    Operation("PUT", OBJECT, "upload.part", parts.send, ("uploadId",)),
    Operation("PUT", OBJECT, "upload", objects.put),
    Operation("POST", OBJECT, "upload.create_multipart", multipart.create, ("uploads",)),
    Operation("POST", OBJECT, "upload.complete_multipart", completing.complete, ("uploadId",)),
    Operation("DELETE", OBJECT, "upload.abort_multipart", multipart.abort, ("uploadId",)),
    Operation("DELETE", OBJECT, "object.delete", deleting.delete),
    Operation("HEAD", OBJECT, "object.info", objects.get),
    Operation("GET", OBJECT, "object.get_tagging", objects.get_tags, ("tagging",)),
    Operation("GET", OBJECT, "upload.list_parts", multipart.list_parts, ("uploadId",)),
    Operation("GET", OBJECT, "object.get", objects.get),
)


def check_promises(headers: Iterable[str]) -> None:
    """Raise StorageError 501 for the name of a header that asks for what would not be kept."""
    promised = [name for name in headers if name.startswith(PROMISES)]
    if promised:
        raise not_implemented(promised[0])


def find_operation(
    method: str, depth: int, query: Mapping[str, str], headers: Mapping[str, str]
) -> Operation | None:
    """Return the operation of a request, None for one that S3 does not have either.

    Raises:
        StorageError: 501 for a part of S3 that is not offered.
    """
    check_promises(headers)
    for operation in _OFFERED:
        if (operation.method, operation.depth) == (method, depth) and operation.fits(
            query, headers
        ):
            named = {part.partition("=")[0] for part in operation.query}
            refused = (query.keys() & NOT_OFFERED) - named
            if refused:
                raise not_implemented(min(refused))
            return operation
    if query.keys() & NOT_OFFERED:
        raise not_implemented(min(query.keys() & NOT_OFFERED))
    return None
