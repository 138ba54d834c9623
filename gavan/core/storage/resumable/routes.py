"""The endpoints of TUS: ``/upload/resumable``, and below ``/sign`` those for signed URLs.

Paths and verbs of supabase/storage:src/http/routes/tus. A token that does not verify is refused
in the JSON of the service, before the protocol begins; all else in the protocol's plain texts.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from email.utils import formatdate

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gavan.core.storage.caller import Caller
from gavan.core.storage.commons import Commons
from gavan.core.storage.errors import SERVER_FAULT, StorageError, invalid_request
from gavan.core.storage.resumable import answers
from gavan.core.storage.resumable.growth import Progress
from gavan.core.storage.resumable.headers import Asked, read_headers
from gavan.core.storage.resumable.metadata import Pairs, compose
from gavan.core.storage.resumable.naming import (
    PATH,
    SIGNED_PATH,
    check_names,
    decode,
    public_url,
)
from gavan.core.storage.resumable.tus import Step, Tus
from gavan.core.storage.resumable.visit import Visit, visit
from gavan.kit.storage.provider import BlobMissing, ProviderError

CLOSE = {"Connection": "close"}
VERBS = ["GET", "POST", "PUT", "PATCH", "HEAD", "DELETE", "OPTIONS"]
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumableEdge:
    """Reads requests for the protocol and tells its answers."""

    commons: Commons
    tus: Tus

    def routes(self) -> list[Route]:
        """Return the routes; the narrow ones first."""
        return [
            Route(path, endpoint, methods=VERBS)
            for path, endpoint in (
                (SIGNED_PATH, self.signed),
                (f"{SIGNED_PATH}/{{upload:path}}", self.signed),
                (PATH, self.plain),
                (f"{PATH}/{{upload:path}}", self.plain),
            )
        ]

    async def plain(self, request: Request) -> Response:
        """Serve whoever has a token of auth."""
        if not _is_routed(request):
            return _unrouted(request)
        if request.method == "OPTIONS":
            return self._options()
        return await self._answer(request, self.commons.caller(request))

    async def signed(self, request: Request) -> Response:
        """Serve whoever has a signed URL."""
        if not _is_routed(request):
            return _unrouted(request)
        if request.method == "OPTIONS":
            return self._options()
        return await self._answer(request, None)

    async def _answer(self, request: Request, caller: Caller | None) -> Response:
        try:
            asked = read_headers(request.method, request.headers)
            if request.method == "POST":
                return await self._begin(request, caller, asked)
            return await self._serve(request, caller, asked)
        except BlobMissing:
            return answers.render(answers.gone())
        except ProviderError as error:
            _log(request, error)
            return answers.render(answers.failed())
        except StorageError as error:
            if error.status >= SERVER_FAULT:
                _log(request, error)
            return answers.render(error)

    async def _begin(self, request: Request, caller: Caller | None, asked: Asked) -> Response:
        pairs = _described(asked)
        bucket, name = pairs.get("bucketName") or "", pairs.get("objectName") or ""
        check_names(bucket, name)
        base = public_url(request, SIGNED_PATH if caller is None else PATH)
        step = self._step(request, asked, visit(self.commons, request, caller, bucket, name))
        progress = await self.tus.begin(step, pairs)
        location = f"{base}/{progress.state.id.encode()}"
        headers = {"Location": location, **self._until(progress)}
        if asked.has_bytes:
            headers["Upload-Offset"] = str(progress.offset)
        return _response(201, headers, progress)

    async def _serve(self, request: Request, caller: Caller | None, asked: Asked) -> Response:
        """Answer a request on an upload that was begun."""
        if request.method == "PUT":
            raise answers.refusal(404, "Not found\n")
        if request.method == "PATCH":
            _check_patch(asked)
        encoded = request.path_params["upload"].rstrip("/").rpartition("/")[2]
        if not encoded:
            raise answers.not_found()
        upload = decode(encoded)
        visitor = visit(self.commons, request, caller, upload.bucket, upload.name)
        state = await self.tus.growth.find(upload)
        if state is None or not visitor.may_touch(state):
            raise answers.not_found()
        if request.method == "PATCH":
            progress = await self.tus.go_on(state, self._step(request, asked, visitor))
            headers = {"Upload-Offset": str(progress.offset), **self._until(progress)}
            return _response(204, headers, progress)
        if request.method == "HEAD":
            return self._told(await self.tus.look(state, visitor))
        await self.tus.end(state, visitor)
        return _response(204, {})

    def _step(self, request: Request, asked: Asked, visitor: Visit) -> Step:
        return Step(visit=visitor, asked=asked, request=request)

    def _told(self, progress: Progress) -> Response:
        state = progress.state
        length = (
            {"Upload-Defer-Length": "1"}
            if state.length is None
            else {"Upload-Length": str(state.length)}
        )
        headers = {
            "Cache-Control": "no-store",
            "Upload-Offset": str(progress.offset),
            **length,
            "Upload-Metadata": compose(state.metadata),
            **self._until(progress),
        }
        return _response(200, headers)

    def _until(self, progress: Progress) -> dict[str, str]:
        """Return what tells when an upload expires, or that it is complete."""
        if progress.is_finished:
            return {"Tus-Complete": "1"}
        ends_at = self.tus.ends_at(progress.state)
        return {"Upload-Expires": formatdate(ends_at, usegmt=True)}

    def _options(self) -> Response:
        headers = {
            "Tus-Version": answers.VERSION,
            "Tus-Extension": answers.EXTENSIONS,
            "Tus-Max-Size": str(self.commons.config.size_limit),
        }
        return _response(204, headers)


def _is_routed(request: Request) -> bool:
    """Say whether upstream has a route: none for GET, and few without an upload."""
    has_upload = "upload" in request.path_params
    return request.method in {"POST", "OPTIONS"} or (has_upload and request.method != "GET")


def _unrouted(request: Request) -> Response:
    path = request.scope["path"]
    query = request.scope["query_string"].decode("latin-1")
    return answers.unrouted(request.method, f"{path}?{query}" if query else path)


def _described(asked: Asked) -> Pairs:
    """Return the metadata of an upload to be begun, when its other headers fit too."""
    if asked.is_joined:
        raise answers.refusal(
            501,
            "Concatenation extension is not (yet) supported."
            " Disable parallel uploads in the tus client.\n",
        )
    if (asked.length is None) != asked.is_deferred:
        raise answers.wrong_length()
    if asked.metadata is None:
        raise invalid_request("Metadata header is required")
    return asked.metadata


def _check_patch(asked: Asked) -> None:
    if asked.offset is None:
        raise answers.refusal(403, "Upload-Offset header required\n")
    if not asked.has_type:
        raise answers.refusal(403, "Content-Type header required\n")


def _response(status: int, headers: dict[str, str], progress: Progress | None = None) -> Response:
    ending = CLOSE if progress is not None and progress.is_stopped else {}
    return Response(None, status, {"Tus-Resumable": answers.VERSION, **headers, **ending})


def _log(request: Request, error: Exception) -> None:
    request_id = request.scope.get("gavan.request_id", "")
    logger.error(str(error), exc_info=error, extra={"request_id": request_id})
