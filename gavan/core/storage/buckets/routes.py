"""The routes of buckets (upstream: src/http/routes/bucket). Whatever they do, they do as the
caller: the policies on storage.buckets decide."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gavan.core.storage.body import read_object
from gavan.core.storage.buckets.wishes import changes, new_bucket, page_of
from gavan.core.storage.caller import SERVICE, uuid_or_none
from gavan.core.storage.commons import Commons
from gavan.core.storage.errors import (
    StorageError,
    access_denied,
    already_exists,
    no_such_bucket,
)
from gavan.core.storage.rules import check_bucket_name
from gavan.core.storage.store import Queries

QUEUED = "Empty bucket has been queued. Completion may take up to an hour."
# Clients that stumble over the key "type" in a list: header, first version that does not.
_OLD_CLIENTS = (
    ("x-client-info", re.compile(r"supabase-py/(\d+)\.(\d+)\.(\d+)", re.I), (2, 18, 0)),
    ("user-agent", re.compile(r"supabase-py/storage3 v(\d+)\.(\d+)\.(\d+)", re.I), (0, 12, 1)),
)
_queries = Queries(Path(__file__).parent / "buckets.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketsEdge:
    """The endpoints of buckets."""

    commons: Commons

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/bucket", self.list, methods=["GET"]),
            Route("/bucket/", self.list, methods=["GET"]),
            Route("/bucket", self.create, methods=["POST"]),
            Route("/bucket/", self.create, methods=["POST"]),
            Route("/bucket/{bucket}", self.get, methods=["GET"]),
            Route("/bucket/{bucket}", self.update, methods=["PUT"]),
            Route("/bucket/{bucket}", self.delete, methods=["DELETE"]),
            Route("/bucket/{bucket}/empty", self.empty, methods=["POST"]),
        ]

    async def list(self, request: Request) -> Response:
        """Return the buckets that the caller sees."""
        caller = self.commons.caller(request)
        page = page_of(request.query_params)
        statement = _queries("list", page.search, page.column, page.order, page.limit, page.offset)
        rows = await self.commons.store.read_as_caller(caller, "storage.bucket.list", statement)
        body = rows.values[0][0] or b"[]"
        return _json(_without_types(body) if _is_old(request.headers) else body)

    async def get(self, request: Request) -> Response:
        """Return one bucket."""
        caller = self.commons.caller(request)
        statement = _queries("get", _bucket(request))
        rows = await self.commons.store.read_as_caller(caller, "storage.bucket.get", statement)
        if not rows.values:
            raise no_such_bucket()
        return _json(rows.values[0][0] or b"")

    async def create(self, request: Request) -> Response:
        """Make a bucket that belongs to the caller."""
        caller = self.commons.caller(request)
        wanted = new_bucket(await read_object(request), self.commons.config.size_limit)
        for name in (wanted["name"], wanted["id"]):
            check_bucket_name(name)
        statement = _queries(
            "create",
            wanted["id"],
            wanted["name"],
            caller.sub,
            uuid_or_none(caller.sub),
            wanted["public"],
            wanted.get("file_size_limit"),
            wanted.get("allowed_mime_types"),
        )
        try:
            await self.commons.store.as_caller(caller, "storage.bucket.create", statement)
        except StorageError as error:
            if error.code != "ResourceAlreadyExists":
                raise
            raise already_exists("BucketAlreadyExists") from error
        return JSONResponse({"name": wanted["name"]})

    async def update(self, request: Request) -> Response:
        """Change settings of a bucket; those that are not named stay."""
        caller = self.commons.caller(request)
        wanted = changes(await read_object(request), self.commons.config.size_limit)
        check_bucket_name(_bucket(request))
        statement = _queries("update", _bucket(request), wanted)
        rows = await self.commons.store.as_caller(caller, "storage.bucket.update", statement)
        if not rows.values:
            raise no_such_bucket()
        return _done("Successfully updated")

    async def delete(self, request: Request) -> Response:
        """Remove a bucket that is empty."""
        caller, store = self.commons.caller(request), self.commons.store
        bucket = _bucket(request)
        found = await store.read_as_owner(_queries("is_used", bucket))
        if not found.values:
            raise no_such_bucket()
        if found.values[0][0] == b"t":
            raise StorageError(
                409, "ResourceNotEmpty", "The bucket you tried to delete is not empty"
            )
        statement = _queries("delete", bucket)
        if not (await store.as_caller(caller, "storage.bucket.delete", statement)).values:
            raise no_such_bucket()
        return _done("Successfully deleted")

    async def empty(self, request: Request) -> Response:
        """Begin to remove all objects of a bucket."""
        caller = self.commons.caller(request)
        if self.commons.config.empty_requires_service_role and caller.role != SERVICE:
            raise access_denied("Access denied: Invalid role", http_status=403)
        await self.commons.emptying.begin(caller, _bucket(request))
        return _done(QUEUED)


def _bucket(request: Request) -> str:
    bucket: str = request.path_params["bucket"]
    return bucket


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


def _done(message: str) -> Response:
    return JSONResponse({"message": message})


def _is_old(headers: Mapping[str, str]) -> bool:
    for header, pattern, first in _OLD_CLIENTS:
        found = pattern.search(headers.get(header, ""))
        if found and tuple(map(int, found.groups())) < first:
            return True
    return False


def _without_types(body: bytes) -> bytes:
    buckets = orjson.loads(body)
    for bucket in buckets:
        del bucket["type"]
    return orjson.dumps(buckets)
