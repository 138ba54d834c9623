"""What the storage service says of itself, and the caches it does not keep."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from gavan.core.storage.caller import SERVICE
from gavan.core.storage.commons import Commons
from gavan.core.storage.errors import access_denied
from gavan.kit.version import VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """The endpoints that belong to no room."""

    commons: Commons

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/status", self.status),
            Route("/version", self.version),
            Route("/health", self.health),
            Route("/cdn", self.purge, methods=["DELETE"]),
            Route("/cdn/{path:path}", self.purge, methods=["DELETE"]),
        ]

    async def status(self, _request: Request) -> Response:
        """Say that the service runs."""
        return Response()

    async def version(self, _request: Request) -> Response:
        """Say which one."""
        return PlainTextResponse(VERSION)

    async def health(self, _request: Request) -> Response:
        """Say whether it is well."""
        return JSONResponse({"healthy": True})

    async def purge(self, request: Request) -> Response:
        """Answer that the cache is empty: there is none."""
        if self.commons.caller(request).role != SERVICE:
            raise access_denied("Access denied: Invalid role", http_status=403)
        return JSONResponse({"message": "success"})
