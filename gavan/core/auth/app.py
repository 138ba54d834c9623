"""The auth service as an ASGI application; the gateway mounts it under ``/auth/v1``."""

from __future__ import annotations

import asyncio
import logging

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gavan.core.auth.clean_up import CleanUp
from gavan.core.auth.config.auth import AuthConfig, read_config
from gavan.core.auth.door import Door
from gavan.core.auth.errors import UNEXPECTED, AuthError, render
from gavan.core.auth.flows.redirects import Redirects
from gavan.core.auth.flows.room import Room
from gavan.core.auth.guard.gate import Gate
from gavan.core.auth.outlets import Outlets, open_outlets
from gavan.core.auth.store import Store
from gavan.core.auth.wiring import furnish, routes_of
from gavan.core.settings import Settings
from gavan.kit.jwt import Verifier

REQUEST_DEADLINE_S = 10.0

logger = logging.getLogger(__name__)


class Service:
    """ASGI callable with a life."""

    def __init__(self, room: Room, outlets: Outlets, gate: Gate, routes: list[Route]) -> None:
        self._room = room
        self._outlets = outlets
        self._gate = gate
        self._clean_up = CleanUp(room.config, room.store)
        self._app = Starlette(
            routes=routes,
            exception_handlers={
                AuthError: _refused,
                HTTPException: _unrouted,
                Exception: _failed,
            },
        )
        self._app.router.redirect_slashes = False

    async def start(self) -> None:
        """Open the pool; Postgres may still be down."""
        await self._room.store.open()

    async def stop(self) -> None:
        """Close every connection and the hashing threads."""
        await self._clean_up.close()
        await self._outlets.close()
        await self._room.store.close()
        self._room.passwords.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(REQUEST_DEADLINE_S):
                await self._app(scope, await self._gate.admit(scope, receive), send)
            self._clean_up.after(scope["method"])
        except AuthError as refused:
            await _refused(Request(scope), refused)(scope, receive, send)
        except TimeoutError:
            late = AuthError(504, "request_timeout", "Processing this request timed out")
            await render(Request(scope), late)(scope, receive, send)


def build(
    settings: Settings, *, verifier: Verifier | None = None, config: AuthConfig | None = None
) -> Service:
    """Return the service; nothing is opened before ``start``.

    Args:
        settings: database URL and keys.
        verifier: the gateway's; without one, its own over the same keys.
        config: for tests; otherwise read from GoTrue's own environment variables.
    """
    config = config or read_config(settings)
    verifier = verifier or Verifier(settings.keys.verifying)
    store = Store(settings.auth_admin_url)
    outlets = open_outlets(config, store)
    room = furnish(config, store, outlets)
    door = Door(config=config, store=store, verifier=verifier, redirects=Redirects.of(config.urls))
    gate = Gate(config, verifier, outlets.outbound)
    routes = routes_of(door, room, outlets)
    for route in routes:
        # Programs that look at links before people do ask with HEAD, which must use no token up.
        (route.methods or set()).discard("HEAD")
    return Service(room, outlets, gate, routes)


def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, AuthError):
        return _failed(request, error)
    if error.status >= 500:
        request_id = request.scope.get("gavan.request_id", "")
        logger.error(error.message, exc_info=error, extra={"request_id": request_id})
    return render(request, error)


def _unrouted(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    text = "404 page not found\n" if status == 404 else ""
    headers = error.headers if isinstance(error, HTTPException) else None
    return PlainTextResponse(text, status_code=status, headers=headers)


def _failed(request: Request, _error: Exception) -> Response:
    # The application raises the error again after this answer; the gateway logs it.
    return render(request, AuthError(500, "unexpected_failure", UNEXPECTED))
