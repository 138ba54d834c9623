"""The routes that read objects and what is known of them (upstream: getObject, getPublicObject,
getSignedObject, getObjectInfo)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gavan.core.storage.caller import Caller
from gavan.core.storage.commons import Commons
from gavan.core.storage.errors import invalid_body
from gavan.core.storage.objects.find import (
    FoundObject,
    find_as_owner,
    find_public,
    find_readable,
)
from gavan.core.storage.objects.serving import Again, Asked, asked_by, describe, serve
from gavan.core.storage.objects.signing import Scope, expiry_of, not_signed, read_token
from gavan.core.storage.paths import OBJECT

GET = "storage.object.get_authenticated"
GET_INFO = "object.get_authenticated_info"
HEAD_INFO = "object.head_authenticated_info"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingEdge:
    """GET and HEAD of objects."""

    commons: Commons

    def routes(self) -> list[Route]:
        """Return the routes; the last ones take any path of two parts and more."""
        return [
            Route(f"/object/public/{OBJECT}", self.get_public),
            Route(f"/object/sign/{OBJECT}", self.get_signed),
            Route(f"/object/authenticated/{OBJECT}", self.get_as_known),
            Route(f"/object/info/authenticated/{OBJECT}", self.info_of_known),
            Route(f"/object/info/public/{OBJECT}", self.info_of_public),
            Route(f"/object/info/{OBJECT}", self.info),
            Route(f"/object/{OBJECT}", self.get),
        ]

    async def get_as_known(self, request: Request) -> Response:
        """Send an object to a caller with a token."""
        return await self._get(request, self.commons.caller(request))

    async def get(self, request: Request) -> Response:
        """Send an object; visitors have those of public buckets."""
        return await self._get(request, self.commons.visitor(request))

    async def get_public(self, request: Request) -> Response:
        """Send an object of a public bucket."""
        find = partial(find_public, self.commons.store, *_place(request))
        return await self._send(find, asked_by(request))

    async def get_signed(self, request: Request) -> Response:
        """Send the object that a token names; no policy is asked, they were at its signing."""
        bucket, name = _place(request)
        token = request.query_params.get("token")
        if token is None:
            raise invalid_body("querystring must have required property 'token'")
        claims = read_token(self.commons, token, Scope.DOWNLOAD, bucket, name)
        if claims.get("transformations"):
            raise not_signed("Token is for a picture of the object")
        find = partial(find_as_owner, self.commons.store, bucket, name)
        return await self._send(find, asked_by(request, expires=expiry_of(claims)))

    async def info_of_known(self, request: Request) -> Response:
        """Tell of an object to a caller with a token."""
        return await self._info(request, self.commons.caller(request))

    async def info(self, request: Request) -> Response:
        """Tell of an object; visitors hear of those of public buckets."""
        return await self._info(request, self.commons.visitor(request))

    async def info_of_public(self, request: Request) -> Response:
        """Tell of an object of a public bucket."""
        return _told(await find_public(self.commons.store, *_place(request)))

    async def _get(self, request: Request, caller: Caller) -> Response:
        operation = HEAD_INFO if request.method == "HEAD" else GET
        place = _place(request)
        find = partial(find_readable, self.commons.store, caller, operation, *place)
        return await self._send(find, asked_by(request))

    async def _send(self, find: Again, asked: Asked) -> Response:
        return await serve(self.commons.provider, await find(), asked, again=find)

    async def _info(self, request: Request, caller: Caller) -> Response:
        place = _place(request)
        return _told(await find_readable(self.commons.store, caller, GET_INFO, *place))


def _place(request: Request) -> tuple[str, str]:
    return request.path_params["bucket"], request.path_params["name"]


def _told(found: FoundObject) -> Response:
    headers = describe(found, Asked())
    kept = {"etag", "last-modified", "cache-control"}
    return JSONResponse(
        _body(found), headers={name: headers[name] for name in kept & headers.keys()}
    )


def _body(found: FoundObject) -> dict[str, Any]:
    metadata = found.metadata
    return {
        "id": found.id,
        "name": found.name,
        "version": found.version,
        "bucket_id": found.bucket_id,
        "size": metadata.get("size"),
        "content_type": metadata.get("mimetype"),
        "cache_control": metadata.get("cacheControl"),
        "etag": metadata.get("eTag"),
        "metadata": found.user_metadata or {},
        "last_modified": found.updated_at,
        "created_at": found.created_at,
    }
