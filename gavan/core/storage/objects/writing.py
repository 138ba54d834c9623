"""Store objects: POST makes one, PUT replaces one, and a signed URL lets anybody do either.

The order of checks is upstream's (supabase/storage:src/storage/object.ts, uploader.ts): the caller,
the bucket, the headers, type and size, the name, the policies; then the bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gavan.core.storage.body import check_content_type
from gavan.core.storage.buckets.find import find_bucket
from gavan.core.storage.caller import origin_of
from gavan.core.storage.commons import Commons
from gavan.core.storage.errors import invalid_body
from gavan.core.storage.model import StoredObject
from gavan.core.storage.objects.incoming import (
    most_bytes,
    receive,
    request_length,
    user_metadata,
)
from gavan.core.storage.objects.signing import Scope, read_token, sign_upload
from gavan.core.storage.paths import OBJECT
from gavan.core.storage.rules import check_bucket_name
from gavan.core.storage.uploads.uploads import Judge, Upload


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What is asked for; ``judge`` None: a signed URL allows it."""

    judge: Judge | None
    owner: str | None
    is_upsert: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WritingEdge:
    """The endpoints by which objects come in."""

    commons: Commons

    def routes(self) -> list[Route]:
        """Return the routes; the last two take any path."""
        return [
            Route(f"/object/upload/sign/{OBJECT}", self.sign, methods=["POST"]),
            Route(f"/object/upload/sign/{OBJECT}", self.put_signed, methods=["PUT"]),
            Route(f"/object/{OBJECT}", self.post, methods=["POST"]),
            Route(f"/object/{OBJECT}", self.put, methods=["PUT"]),
        ]

    async def post(self, request: Request) -> Response:
        """Make an object; replace one only with ``x-upsert: true``."""
        check_content_type(request)
        judge = Judge(caller=self.commons.caller(request), operation="storage.object.upload")
        wish = _Wish(judge=judge, owner=judge.caller.sub, is_upsert=is_upsert(request))
        return _stored(await self._store(request, wish))

    async def put(self, request: Request) -> Response:
        """Make an object or replace it."""
        check_content_type(request)
        judge = Judge(caller=self.commons.caller(request), operation="storage.object.upload_update")
        wish = _Wish(judge=judge, owner=judge.caller.sub, is_upsert=True)
        return _stored(await self._store(request, wish))

    async def sign(self, request: Request) -> Response:
        """Return a URL by which anybody may store one object: what the policies say, they say now.

        They see the type and length of this request, as upstream's do.
        """
        caller = self.commons.caller(request)
        bucket_id, name = _place(request)
        upload = Upload(
            bucket_id=bucket_id,
            name=name,
            owner=caller.sub,
            mime=request.headers.get("content-type", ""),
            cache_control="",
            most=self.commons.config.size_limit,
            is_upsert=is_upsert(request),
            request_length=request_length(request),
            user_metadata=user_metadata(request),
        )
        judge = Judge(caller=caller, operation="storage.object.sign_upload_url")
        await self.commons.uploads.permit(upload, judge)
        expires_s = self.commons.config.upload_url_s
        token = sign_upload(self.commons, bucket_id, name, caller.sub, upload.is_upsert, expires_s)
        url = f"/object/upload/sign/{bucket_id}/{name}?token={token}"
        return JSONResponse({"url": url, "token": token})

    async def put_signed(self, request: Request) -> Response:
        """Store the object that a signed URL names."""
        check_content_type(request)
        token = request.query_params.get("token")
        if token is None:
            raise invalid_body("querystring must have required property 'token'")
        bucket_id, name = _place(request)
        claims = read_token(self.commons, token, Scope.UPLOAD, bucket_id, name)
        wish = _Wish(judge=None, owner=claims["owner"], is_upsert=claims["upsert"])
        stored = await self._store(request, wish)
        return JSONResponse({"Key": f"{stored.bucket_id}/{stored.name}"})

    async def _store(self, request: Request, wish: _Wish) -> StoredObject:
        bucket_id, name = _place(request)
        bucket = await find_bucket(self.commons.store, bucket_id)
        most = most_bytes(bucket, name, self.commons.config.size_limit)
        incoming = await receive(request, bucket, name, most)
        upload = Upload(
            bucket_id=bucket_id,
            name=name,
            owner=wish.owner,
            mime=incoming.mime,
            cache_control=incoming.cache_control,
            most=most,
            is_upsert=wish.is_upsert,
            declared=incoming.declared,
            request_length=incoming.request_length,
            user_metadata=incoming.user_metadata or {},
            robots=incoming.robots,
            origin=origin_of(request),
        )
        permit = await self.commons.uploads.permit(upload, wish.judge)
        return await self.commons.uploads.store(permit, incoming.chunks)


def is_upsert(request: Request) -> bool:
    """Say whether a request may replace what is there."""
    return request.headers.get("x-upsert") == "true"


def _place(request: Request) -> tuple[str, str]:
    bucket_id, name = request.path_params["bucket"], request.path_params["name"]
    check_bucket_name(bucket_id)
    return bucket_id, name


def _stored(stored: StoredObject) -> Response:
    return JSONResponse({"Id": stored.id, "Key": f"{stored.bucket_id}/{stored.name}"})
