"""The routes that hand out URLs by which anybody may read an object for a time (upstream:
getSignedURL, getSignedURLs)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gavan.core.storage.body import read_object
from gavan.core.storage.commons import Commons
from gavan.core.storage.errors import invalid_body
from gavan.core.storage.images.asked import read_transform
from gavan.core.storage.objects.find import find_as_caller, visible_names
from gavan.core.storage.objects.signing import check_expiry, sign_download
from gavan.core.storage.paths import OBJECT

SIGN = "storage.object.sign"
SIGN_MANY = "storage.object.sign_many"
MOST_PATHS = 1000
NOT_SHOWN = "Either the object does not exist or you do not have access to it"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUrlsEdge:
    """The endpoints that sign URLs for reading."""

    commons: Commons

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(f"/object/sign/{OBJECT}", self.sign, methods=["POST"]),
            Route("/object/sign/{bucket}", self.sign_many, methods=["POST"]),
        ]

    async def sign(self, request: Request) -> Response:
        """Return a URL of an object that the policies of the caller show, or of a picture of it."""
        caller = self.commons.caller(request)
        body = await read_object(request)
        expires_s, transform = _expiry(body), self._transform(body)
        bucket, name = request.path_params["bucket"], request.path_params["name"]
        await find_as_caller(self.commons.store, caller, SIGN, bucket, name)
        token = sign_download(self.commons, bucket, name, expires_s, **transform)
        road = "render/image" if transform.get("transformations") else "object"
        return JSONResponse({"signedURL": _url(bucket, name, token, road)})

    async def sign_many(self, request: Request) -> Response:
        """Return a URL for each path, or why there is none."""
        caller = self.commons.caller(request)
        body = await read_object(request)
        expires_s, paths = _expiry(body), _paths(body)
        bucket = request.path_params["bucket"]
        names = [path for path in paths if "\0" not in path]  # Postgres has no text with it
        shown = await visible_names(self.commons.store, caller, SIGN_MANY, bucket, names)
        answer: list[dict[str, Any]] = []
        for path in paths:
            is_shown = path in shown
            url = None
            if is_shown:
                token = sign_download(self.commons, bucket, path, expires_s)
                url = _url(bucket, path, token)
            answer.append(
                {"error": None if is_shown else NOT_SHOWN, "path": path, "signedURL": url}
            )
        return JSONResponse(answer)

    def _transform(self, body: dict[str, Any]) -> dict[str, str]:
        """Return the claims of a picture that shall be made; none when the stack makes none."""
        asked = body.get("transform")
        if not isinstance(asked, dict | None):
            raise invalid_body("body/transform must be object")
        wanted = read_transform(asked or {}, "body/transform")
        if not self.commons.config.renders_images:
            return {}
        return {"transformations": wanted.claim, "format": wanted.format}


def _expiry(body: dict[str, Any]) -> int:
    if "expiresIn" not in body:
        raise invalid_body("body must have required property 'expiresIn'")
    asked = body["expiresIn"]
    if isinstance(asked, str) and asked.isdecimal():
        asked = int(asked)  # upstream's schema makes numbers of them
    if isinstance(asked, float) and asked.is_integer():
        asked = int(asked)
    if isinstance(asked, float | bool) or not isinstance(asked, int):
        raise invalid_body("body/expiresIn must be integer")
    if asked < 1:
        raise invalid_body("body/expiresIn must be >= 1")
    return check_expiry(asked)


def _paths(body: dict[str, Any]) -> list[str]:
    if "paths" not in body:
        raise invalid_body("body must have required property 'paths'")
    paths = body["paths"]
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise invalid_body("body/paths must be array of strings")
    if not paths:
        raise invalid_body("body/paths must NOT have fewer than 1 items")
    if len(paths) > MOST_PATHS:
        raise invalid_body(f"body/paths must NOT have more than {MOST_PATHS} items")
    return paths


def _url(bucket: str, name: str, token: str, road: str = "object") -> str:
    """Return the URL, relative to the service. Clients encode it before they use it, but for what
    divides URLs; of that only the question mark may be in a name."""
    path = f"{bucket}/{name}".replace("?", "%3F")
    return f"/{road}/sign/{path}?token={token}"
