"""The storage service as an ASGI application; the gateway mounts it under ``/storage/v1``."""

from __future__ import annotations

import logging

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from gavan.core.settings import Settings
from gavan.core.storage.buckets.declared import declare_buckets
from gavan.core.storage.caller import asked_path
from gavan.core.storage.commons import Commons
from gavan.core.storage.config import StorageConfig, read_config
from gavan.core.storage.errors import StorageError, provider_error, render
from gavan.core.storage.providers import open_provider
from gavan.core.storage.resumable.expiry import Expiry
from gavan.core.storage.resumable.guards import Guards
from gavan.core.storage.resumable.turns import Turns
from gavan.core.storage.unread import close_unread
from gavan.core.storage.wiring import furnish, routes_of
from gavan.kit.jwt import Verifier
from gavan.kit.storage.provider import ProviderError

logger = logging.getLogger(__name__)


class Service:
    """ASGI callable with a life."""

    streams_bodies = True  # the front door bounds no body of ours: every room does, by its rules

    def __init__(self, commons: Commons, turns: Turns) -> None:
        self._commons = commons
        self._turns = turns
        self._expiry = Expiry(commons, turns)
        self._app = Starlette(
            routes=routes_of(commons, turns),
            exception_handlers={
                StorageError: _refused,
                ProviderError: _refused,
                HTTPException: _unrouted,
                Exception: _failed,
            },
        )
        self._app.router.redirect_slashes = False

    async def start(self) -> None:
        """Open the pool and make the declared buckets.

        Raises StorageError while Postgres is down and there are such: the gateway tries again.
        """
        commons = self._commons
        await commons.store.open()
        try:
            await declare_buckets(commons.store, commons.config.buckets)
        except BaseException:
            await commons.store.close()
            raise
        self._expiry.start()
        commons.emptying.start()
        commons.webhooks.start()

    async def stop(self) -> None:
        """End the work beside the requests and close every connection."""
        await self._commons.emptying.stop()
        await self._commons.webhooks.stop()
        await self._expiry.stop()
        await self._turns.close()
        await self._commons.images.close()
        await self._commons.provider.close()
        await self._commons.store.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await close_unread(self._app, scope, receive, send)


def build(
    settings: Settings, *, verifier: Verifier | None = None, config: StorageConfig | None = None
) -> Service:
    """Return the service; nothing is opened before ``start``.

    Args:
        settings: database URL and keys.
        verifier: the gateway's; without one, its own over the same keys.
        config: for tests; otherwise read from the environment.
    """
    config = config or read_config()
    verifier = verifier or Verifier(settings.keys.verifying)
    commons = furnish(config, settings, verifier, open_provider(config))
    return Service(commons, Turns(Guards(settings.storage_admin_url)))


def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, ProviderError):
        error = provider_error(error)
    if not isinstance(error, StorageError):
        return _failed(request, error)
    if error.status >= 500:
        request_id = request.scope.get("gavan.request_id", "")
        logger.error(error.message, exc_info=error, extra={"request_id": request_id})
    return render(error)


def _unrouted(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    body = {
        "statusCode": "404",
        "error": "Not Found",
        "message": f"Route {request.method}:{asked_path(request)} not found",
        "code": "InvalidRequest",
    }
    return JSONResponse(body, status_code=404 if status == 405 else status)


def _failed(_request: Request, _error: Exception) -> Response:
    # The application raises the error again after this answer; the gateway logs it.
    return render(StorageError(500, "InternalError", "Internal Server Error", error="Internal"))
