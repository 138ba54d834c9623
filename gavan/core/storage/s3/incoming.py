"""What object a request brings or begins, and on which condition."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from gavan.core.storage.body import check_content_type
from gavan.core.storage.buckets.find import find_bucket
from gavan.core.storage.errors import StorageError, invalid_request, precondition_failed
from gavan.core.storage.objects.find import find_as_caller
from gavan.core.storage.objects.form import BYTES_TYPE
from gavan.core.storage.objects.incoming import NO_CACHE, most_bytes
from gavan.core.storage.rules import EMPTY_FOLDER, check_bucket_name, check_mime
from gavan.core.storage.s3.visit import Visit
from gavan.core.storage.uploads.uploads import S3, Upload


async def upload_of(visit: Visit, declared: int | None) -> Upload:
    """Return the upload that the path and the headers describe.

    ``declared`` bytes are what it is said to have. Raises StorageError: there is no such bucket,
    or it does not take the type.
    """
    check_bucket_name(visit.bucket_id)
    bucket = await find_bucket(visit.commons.store, visit.bucket_id)
    name = visit.key
    if name.endswith("/") and declared == 0:
        name += EMPTY_FOLDER  # a folder, as upstream keeps them
    check_content_type(visit.request)
    mime = visit.headers.get("content-type", BYTES_TYPE)
    check_mime(mime, bucket.allowed_mime_types, name)
    return Upload(
        bucket_id=visit.bucket_id,
        name=name,
        owner=visit.caller.sub,
        mime=mime,
        cache_control=visit.headers.get("cache-control", NO_CACHE),
        most=most_bytes(bucket, name, visit.commons.config.size_limit),
        is_upsert=True,
        declared=declared,
        user_metadata=visit.metadata,
        robots=None,
        origin=visit.caller.origin,
        upload_type=S3,
    )


async def conditional(visit: Visit, upload: Upload) -> Upload:
    """Return the upload bound to the conditions of the request.

    ``If-None-Match: *`` makes an object only where there is none, ``If-Match`` replaces only the
    one that has the tag, until the end. Raises StorageError 412, 404 for what is not there to be
    replaced.
    """
    if wants_new(visit):
        return replace(upload, is_upsert=False)
    match = visit.headers.get("if-match")
    if match is None:
        return upload
    found = await find_as_caller(
        visit.commons.store, visit.caller, visit.operation, upload.bucket_id, upload.name
    )
    if match.strip() != "*" and match.strip().strip('"') != str(
        found.metadata.get("eTag", "")
    ).strip('"'):
        raise precondition_failed()
    return replace(upload, replaces_only=found.version)


def wants_new(visit: Visit) -> bool:
    """Say whether ``If-None-Match: *`` asks for an object where there is none."""
    none_match = visit.headers.get("if-none-match")
    if none_match is not None and (none_match.strip() != "*" or "if-match" in visit.headers):
        raise invalid_request("If-None-Match can only be *, and not beside If-Match")
    return none_match is not None


@contextmanager
def told_as_condition(*, is_upsert: bool) -> Iterator[None]:
    """Raise StorageError 412 for an object that is there although the request wanted none."""
    try:
        yield
    except StorageError as error:
        if not is_upsert and error.status == 409:
            raise precondition_failed() from error
        raise
