"""Copy and move objects. A copy shares nothing with its source but the bytes; a move moves no byte.

Upstream: supabase/storage:src/storage/object.ts, copyObject and moveObject.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gavan.core.storage.body import read_object
from gavan.core.storage.buckets.find import find_bucket
from gavan.core.storage.caller import Origin, uuid_or_none
from gavan.core.storage.commons import Commons
from gavan.core.storage.errors import StorageError, invalid_body, no_such_key, too_large
from gavan.core.storage.model import Bucket, Metadata, StoredObject
from gavan.core.storage.objects.form import BYTES_TYPE
from gavan.core.storage.objects.incoming import check_cache_control, check_type, user_metadata
from gavan.core.storage.objects.writing import is_upsert
from gavan.core.storage.rules import check_bucket_name, check_mime
from gavan.core.storage.store import Queries
from gavan.core.storage.uploads.uploads import STANDARD, Judge, Upload, timestamp
from gavan.core.storage.webhooks.events import Event, Subject, created, removed, told_metadata
from gavan.database.pipeline import Check
from gavan.database.session import Ending, Rows
from gavan.kit.storage.provider import BlobMissing

ATTEMPTS = 4
_queries = Queries(Path(__file__).parent / "objects.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an object is, or shall be."""

    bucket_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What a copy takes from its source.

    ``replaced`` are members of the column ``metadata`` that it does not take, with what it has
    instead; None leaves one out. ``user_metadata`` is the source's only when
    ``keeps_user_metadata``. ``check`` sees the source's metadata and raises what stops the copy.
    """

    source: Place
    target: Place
    judge: Judge
    is_upsert: bool = False
    replaced: Metadata
    keeps_user_metadata: bool = True
    user_metadata: Metadata | None = None
    check: Callable[[Metadata], None] | None = None
    upload_type: str = STANDARD


async def copy_object(commons: Commons, copy: Copy) -> StoredObject:
    """Copy an object as the caller: SELECT on the source, then as an upload to the target.

    Raises:
        StorageError: the source is missing or invisible, the target's name is none, its bucket
            does not take such objects, or the policies refuse.
    """
    check_bucket_name(copy.source.bucket_id)
    commons.uploads.check_name(copy.target.bucket_id, copy.target.name)
    for _ in range(ATTEMPTS):
        try:
            return await _copy(commons, copy)
        except StorageError as error:
            # The source may have been replaced between its row and its bytes.
            if not isinstance(error.__cause__, BlobMissing):
                raise
    return await _copy(commons, copy)


async def _copy(commons: Commons, copy: Copy) -> StoredObject:
    statement = _queries("source", copy.source.bucket_id, copy.source.name)
    rows = await commons.store.read_as_caller(copy.judge.caller, copy.judge.operation, statement)
    if not rows.values:
        raise no_such_key()
    version, metadata, of_user = rows.values[0]
    found = _object(metadata)
    if copy.check is not None:
        copy.check(found)
    copied = {key: value for key, value in (found | copy.replaced).items() if value is not None}
    if copy.target.bucket_id != copy.source.bucket_id or "mimetype" in copy.replaced:
        check_fits(await find_bucket(commons.store, copy.target.bucket_id), copy.target, copied)
    upload = Upload(
        bucket_id=copy.target.bucket_id,
        name=copy.target.name,
        owner=copy.judge.caller.sub,
        mime=str(copied.get("mimetype", "")),
        cache_control=str(copied.get("cacheControl", "")),
        most=commons.config.size_limit,
        is_upsert=copy.is_upsert,
        user_metadata=_object(of_user) if copy.keeps_user_metadata else copy.user_metadata,
        copied=copied,
        origin=copy.judge.caller.origin,
        upload_type=copy.upload_type,
    )
    permit = await commons.uploads.permit(upload, copy.judge)
    return await commons.uploads.copy(permit, (version or b"").decode())


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyingEdge:
    """The endpoints that make an object of another one."""

    commons: Commons

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/object/copy", self.copy, methods=["POST"]),
            Route("/object/move", self.move, methods=["POST"]),
        ]

    async def copy(self, request: Request) -> Response:
        """Copy an object; its metadata too, unless ``copyMetadata`` is false."""
        caller = self.commons.caller(request)
        body = await read_object(request)
        source, target = _places(body)
        takes_all = body.get("copyMetadata", True)
        if not isinstance(takes_all, bool):
            raise invalid_body("body/copyMetadata must be boolean")
        copy = Copy(
            source=source,
            target=target,
            judge=Judge(caller=caller, operation="storage.object.copy"),
            is_upsert=is_upsert(request),
            replaced={} if takes_all else _replaced(body),
            keeps_user_metadata=takes_all,
            user_metadata=user_metadata(request),
        )
        return _copied(await copy_object(self.commons, copy))

    async def move(self, request: Request) -> Response:
        """Give an object another name, perhaps in another bucket."""
        caller = self.commons.caller(request)
        source, target = _places(await read_object(request))
        check_bucket_name(source.bucket_id)
        self.commons.uploads.check_name(target.bucket_id, target.name)
        statement = _queries(
            "move",
            *(source.bucket_id, source.name, target.bucket_id, target.name),
            *(caller.sub, uuid_or_none(caller.sub), timestamp()),
        )
        store = self.commons.store
        if source == target:
            rows = await store.try_as_caller(caller, "storage.object.move", statement)
        else:
            check = await self._check_of_move(source, target, caller.origin)
            rows = await store.as_caller(caller, "storage.object.move", statement, check=check)
            self.commons.webhooks.tell()
        if not rows.values:
            raise no_such_key()
        return JSONResponse({"message": "Successfully moved"})

    async def _check_of_move(self, source: Place, target: Place, origin: Origin) -> Check | None:
        """Return what stops a move to a bucket that does not take such an object, and notes down
        one that is made."""
        note = self.commons.webhooks.noting(lambda rows: _moved(rows, source, target, origin))
        if source.bucket_id == target.bucket_id:
            return note
        bucket = await find_bucket(self.commons.store, target.bucket_id)

        def check(rows: Rows) -> Ending | None:
            for metadata, *_ in rows.values:
                check_fits(bucket, target, _object(metadata))
            return note(rows) if note is not None else None

        return check


def check_fits(bucket: Bucket, target: Place, metadata: Metadata) -> None:
    """Raise StorageError 413 or 415 for an object that could not be uploaded there.

    Upstream looks at neither, so that a copy gets past the limits of a bucket.
    """
    mime = metadata.get("mimetype") or BYTES_TYPE
    check_mime(str(mime), bucket.allowed_mime_types, target.name)
    size, most = metadata.get("size"), bucket.file_size_limit
    if isinstance(size, int) and most is not None and size > most:
        raise too_large()


def _moved(rows: Rows, source: Place, target: Place, origin: Origin) -> list[list[Event]]:
    """Return what a webhook is told of a move: first that one object went, then that one came."""
    return [
        [
            removed("Move", former := _subject(source, version, before), origin),
            created(
                "Move",
                _subject(target, version, metadata),
                origin,
                upload_type=STANDARD,
                former=former,
            ),
        ]
        for metadata, version, before in rows.values
    ]


def _subject(place: Place, version: bytes | None, metadata: bytes | None) -> Subject:
    return Subject(
        bucket_id=place.bucket_id,
        name=place.name,
        version=(version or b"").decode(),
        metadata=told_metadata(metadata),
    )


def _places(body: dict[str, Any]) -> tuple[Place, Place]:
    bucket_id, name = _text(body, "bucketId"), _text(body, "sourceKey")
    target = _text(body, "destinationKey")
    other = _text(body, "destinationBucket") if body.get("destinationBucket") else bucket_id
    if "\0" in name or "\0" in other:  # Postgres has no such text
        raise no_such_key()
    return Place(bucket_id=bucket_id, name=name), Place(bucket_id=other, name=target)


def _text(body: dict[str, Any], key: str) -> str:
    value = body.get(key)
    if value is None:
        raise invalid_body(f"body must have required property '{key}'")
    if not isinstance(value, str):
        raise invalid_body(f"body/{key} must be string")
    return value


def _replaced(body: dict[str, Any]) -> Metadata:
    metadata = body.get("metadata", {})
    if not isinstance(metadata, dict):
        raise invalid_body("body/metadata must be object")
    replaced = {key: metadata[key] for key in ("cacheControl", "mimetype") if key in metadata}
    for key, value in replaced.items():
        if not isinstance(value, str):
            raise invalid_body(f"body/metadata/{key} must be string")
    check_type(replaced.get("mimetype", BYTES_TYPE))
    check_cache_control(replaced.get("cacheControl", ""))
    return replaced


def _object(text: bytes | None) -> Metadata:
    document = orjson.loads(text or b"{}")
    return document if isinstance(document, dict) else {}  # SQL may have written anything


def _copied(stored: StoredObject) -> Response:
    """Return the answer, in the order of upstream's schema, whose text is never null."""
    body = {
        "Id": stored.id,
        "Key": f"{stored.bucket_id}/{stored.name}",
        "name": stored.name,
        "bucket_id": stored.bucket_id,
        "owner": stored.owner or "",
        "owner_id": stored.owner_id or "",
        "version": stored.version,
        "id": stored.id,
        "updated_at": stored.updated_at,
        "created_at": stored.created_at,
        "last_accessed_at": stored.last_accessed_at,
        "metadata": stored.metadata,
        "user_metadata": stored.user_metadata,
    }
    return Response(orjson.dumps(body), media_type="application/json")
