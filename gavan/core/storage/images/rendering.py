"""The routes that show an image as a page wants it (upstream: renderPublicImage,
renderAuthenticatedImage, renderSignedImage).

Nothing that was made is kept: the answers say how long clients and proxies may, and the same one
asked for again with its ETag costs no image. A drawing (SVG) is sent as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from gavan.core.storage.commons import Commons
from gavan.core.storage.errors import invalid_body
from gavan.core.storage.images.asked import claimed_transform, read_transform
from gavan.core.storage.images.transform import Transform
from gavan.core.storage.images.workers import Rendered, Source, Workers
from gavan.core.storage.objects.conditions import State, check_preconditions, is_known
from gavan.core.storage.objects.find import FoundObject, find_as_caller, find_as_owner, find_public
from gavan.core.storage.objects.serving import (
    Again,
    Asked,
    asked_by,
    describe,
    modified_of,
    serve,
)
from gavan.core.storage.objects.signing import Scope, expiry_of, read_token
from gavan.core.storage.paths import OBJECT
from gavan.kit.storage.blob import blob_key
from gavan.kit.storage.provider import BlobMissing

OPERATION = "storage.render.image_authenticated"
REVISION = "1"
"""Part of every ETag: to be raised when the same request begins to give another picture"""
CHUNK_BYTES = 256 * 1024
DRAWING = "image/svg+xml"
BETTER = ("avif", "webp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A picture that is asked for; ``accepted`` formats count when no format is wanted."""

    wanted: Transform
    accepted: Sequence[str]
    asked: Asked

    def tag(self, found: FoundObject) -> str:
        """Return the ETag of what is made of an object."""
        source = str(found.metadata.get("eTag") or found.version).strip('"')
        wanted = (REVISION, self.wanted.header, self.wanted.format, *self.accepted[:1])
        return f'"{source}-{sha256("|".join(wanted).encode()).hexdigest()[:16]}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderingEdge:
    """GET and HEAD of pictures made of objects."""

    commons: Commons

    def routes(self) -> list[Route]:
        """Return the routes; none when the stack renders no images."""
        if not self.commons.config.renders_images:
            return []
        return [
            Route(f"/render/image/authenticated/{OBJECT}", self.render_as_known),
            Route(f"/render/image/public/{OBJECT}", self.render_public),
            Route(f"/render/image/sign/{OBJECT}", self.render_signed),
        ]

    async def render_as_known(self, request: Request) -> Response:
        """Send a picture of what the policies show to the caller."""
        wish = _wish(request, read_transform(_query(request), "querystring"))
        caller = self.commons.caller(request)
        store, place = self.commons.store, _place(request)
        return await self._render(wish, partial(find_as_caller, store, caller, OPERATION, *place))

    async def render_public(self, request: Request) -> Response:
        """Send a picture of an object of a public bucket."""
        wish = _wish(request, read_transform(_query(request), "querystring"))
        return await self._render(wish, partial(find_public, self.commons.store, *_place(request)))

    async def render_signed(self, request: Request) -> Response:
        """Send the picture that a token names; the query has no say in how it looks."""
        token = request.query_params.get("token")
        if token is None:
            raise invalid_body("querystring must have required property 'token'")
        claims = read_token(self.commons, token, Scope.DOWNLOAD, *_place(request))
        wanted = claimed_transform(
            str(claims.get("transformations", "")), str(claims.get("format", ""))
        )
        wish = _wish(request, wanted)
        wish = replace(wish, asked=replace(wish.asked, expires=expiry_of(claims)))
        return await self._render(
            wish, partial(find_as_owner, self.commons.store, *_place(request))
        )

    async def _render(self, wish: Wish, find: Again) -> Response:
        found = await find()
        try:
            return await self._answer(wish, found)
        except BlobMissing:  # it may have been replaced since the row was read
            return await self._answer(wish, await find())

    async def _answer(self, wish: Wish, found: FoundObject) -> Response:
        if _is_drawing(found):
            return await serve(self.commons.provider, found, wish.asked)
        state = State(etag=wish.tag(found), modified=modified_of(found))
        check_preconditions(wish.asked.headers, state)
        headers = describe(found, replace(wish.asked, overrides=_headers(wish, state)))
        del headers["content-type"]  # that is the source's
        if is_known(wish.asked.headers, state):
            return Response(status_code=304, headers=headers)
        reading = await self.commons.provider.read(blob_key(found.version))
        try:
            source = Source(reading, reading.size)
            picture = await self.commons.images.render(source, wish.wanted, wish.accepted)
        finally:
            await reading.close()
        return _Sent(picture, headers, self.commons.images)


class _Sent(Response):
    """An answer that sends a picture as the client takes it, and gives it back whatever happens."""

    def __init__(self, picture: Rendered, headers: Mapping[str, str], workers: Workers) -> None:
        length = str(len(picture.data))
        super().__init__(
            headers={**headers, "content-type": picture.mime, "content-length": length}
        )
        self._picture = picture
        self._workers = workers

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Send head and bytes."""
        del scope, receive
        data = memoryview(self._picture.data)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            for at in range(0, len(data), CHUNK_BYTES):
                chunk = bytes(data[at : at + CHUNK_BYTES])
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._workers.release(self._picture)


def _headers(wish: Wish, state: State) -> dict[str, str]:
    """Return the headers in which a picture differs from its source."""
    headers = {"etag": state.etag, "accept-ranges": "none"}
    if wish.wanted.header:
        headers["x-transformations"] = wish.wanted.header
    if not wish.wanted.format:
        headers["vary"] = "Accept"
    return headers


def _wish(request: Request, wanted: Transform) -> Wish:
    accepted = () if wanted.format else _accepted(request.headers.get("accept", ""))
    return Wish(wanted=wanted, accepted=accepted, asked=asked_by(request))


def _accepted(header: str) -> tuple[str, ...]:
    """Return the better formats that a client names; ``*/*`` names none."""
    kinds = set()
    for entry in header.lower().split(","):
        kind, _, parameters = entry.replace(" ", "").partition(";")
        if "q=0" not in parameters.replace("q=0.", "").split(";"):
            kinds.add(kind)
    return tuple(word for word in BETTER if f"image/{word}" in kinds)


def _is_drawing(found: FoundObject) -> bool:
    mime = str(found.metadata.get("mimetype", ""))
    return mime.partition(";")[0].strip().lower() == DRAWING


def _query(request: Request) -> dict[str, Any]:
    """Return the parameters; a list for one that is given more than once."""
    given = request.query_params
    many = {name: given.getlist(name) for name in given}
    return {name: values[0] if len(values) == 1 else values for name, values in many.items()}


def _place(request: Request) -> tuple[str, str]:
    return request.path_params["bucket"], request.path_params["name"]
