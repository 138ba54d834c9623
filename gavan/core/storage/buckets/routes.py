"""The routes of buckets (upstream: src/http/routes/bucket). Whatever they do, they do as the
caller: the policies on storage.buckets decide."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gavan.core.storage.body import read_object
from gavan.core.storage.buckets.rows import (
    change_bucket,
    create_bucket,
    delete_bucket,
    list_buckets,
    show_bucket,
)
from gavan.core.storage.buckets.wishes import changes, new_bucket, page_of
from gavan.core.storage.caller import SERVICE
from gavan.core.storage.commons import Commons
from gavan.core.storage.errors import access_denied
from gavan.core.storage.uploads.uploads import Judge

QUEUED = "Empty bucket has been queued. Completion may take up to an hour."
# Clients that stumble over the key "type" in a list: header, first version that does not.
_OLD_CLIENTS = (
    ("x-client-info", re.compile(r"supabase-py/(\d+)\.(\d+)\.(\d+)", re.I), (2, 18, 0)),
    ("user-agent", re.compile(r"supabase-py/storage3 v(\d+)\.(\d+)\.(\d+)", re.I), (0, 12, 1)),
)


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
        judge = self._judge(request, "list")
        body = await list_buckets(self.commons.store, judge, page_of(request.query_params))
        return _json(_without_types(body) if _is_old(request.headers) else body)

    async def get(self, request: Request) -> Response:
        """Return one bucket."""
        judge = self._judge(request, "get")
        return _json(await show_bucket(self.commons.store, judge, _bucket(request)))

    async def create(self, request: Request) -> Response:
        """Make a bucket that belongs to the caller."""
        judge = self._judge(request, "create")
        wanted = new_bucket(await read_object(request), self.commons.config.size_limit)
        await create_bucket(self.commons.store, judge, wanted)
        return JSONResponse({"name": wanted["name"]})

    async def update(self, request: Request) -> Response:
        """Change settings of a bucket; those that are not named stay."""
        judge = self._judge(request, "update")
        wanted = changes(await read_object(request), self.commons.config.size_limit)
        await change_bucket(self.commons.store, judge, _bucket(request), wanted)
        return _done("Successfully updated")

    async def delete(self, request: Request) -> Response:
        """Remove a bucket that is empty."""
        judge = self._judge(request, "delete")
        await delete_bucket(self.commons.store, judge, _bucket(request))
        return _done("Successfully deleted")

    async def empty(self, request: Request) -> Response:
        """Begin to remove all objects of a bucket."""
        caller = self.commons.caller(request)
        if self.commons.config.empty_requires_service_role and caller.role != SERVICE:
            raise access_denied("Access denied: Invalid role", http_status=403)
        await self.commons.emptying.begin(caller, _bucket(request))
        return _done(QUEUED)

    def _judge(self, request: Request, act: str) -> Judge:
        return Judge(caller=self.commons.caller(request), operation=f"storage.bucket.{act}")


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
