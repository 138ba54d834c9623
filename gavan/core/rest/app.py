"""The data API as a service: an ASGI application with a start and a stop.

The gateway gives it requests without the prefix, with token and verifier in the scope.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import ClientDisconnect

from gavan.core.rest.config import RestConfig, config_from, warn_of_idle
from gavan.core.rest.errors import RestError
from gavan.core.rest.handler import Handler
from gavan.core.rest.preparation import Receive
from gavan.core.rest.request import Scope
from gavan.core.rest.respond import respond_error
from gavan.core.rest.schema_watch import CHANNEL, SchemaWatch
from gavan.core.settings import Settings
from gavan.database.pool import Pool
from gavan.kit.errors import GavanError

Send = Callable[[Any], Awaitable[None]]

BODY_TOO_LARGE = 413

logger = logging.getLogger(__name__)


class Service:
    """ASGI 3 application; the pool belongs to the caller."""

    def __init__(
        self, settings: Settings, pool: Pool, reread: Callable[[], Settings] | None = None
    ) -> None:
        def read_base() -> RestConfig:
            return config_from(reread() if reread is not None else settings)

        warn_of_idle(settings)
        self.watch = SchemaWatch(
            settings.authenticator_url,
            read_base,
            channel=settings.rest.get("db_channel") or CHANNEL,
            listen=settings.listens,
        )
        self.watch.when_outdated(pool.renew)
        self._handler = Handler(pool, self.watch)

    @property
    def ready(self) -> bool:
        """Whether a schema cache is loaded."""
        return self.watch.snapshot is not None

    @property
    def config(self) -> RestConfig:
        """What holds now; another object after every reload."""
        return self.watch.config

    async def start(self) -> None:
        """Load the schema cache and begin to listen for changes."""
        await self.watch.start()

    def reload(self) -> None:
        """Begin to load configuration and schema cache anew; requests go on."""
        self.watch.reload()

    async def stop(self) -> None:
        """Stop listening."""
        await self.watch.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"the data API does not speak {scope['type']}")
        try:
            response = await self._handler.handle(scope, receive)
        except ClientDisconnect:
            raise  # nobody is there to be answered
        except Exception as error:
            if isinstance(error, GavanError) and error.status == BODY_TOO_LARGE:
                raise  # the front door's own limit, no defect: the front door answers it
            # Whatever this is, the client gets the protocol's shape and no internals.
            logger.exception("a request failed", extra={"event": "rest.failed"})
            response = respond_error(RestError("PGRSTX00", "Internal error", status=500))
        headers = list(response.headers)
        if (trace := self.watch.config.trace_header) is not None:
            headers.append((trace, dict(scope["headers"]).get(trace, b"")))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})


def build(settings: Settings, pool: Pool, reread: Callable[[], Settings] | None = None) -> Service:
    """Return the service; nothing runs until ``start``.

    Args:
        reread: reads the settings anew when the configuration is reloaded; raises GavanError.
    """
    return Service(settings, pool, reread)
