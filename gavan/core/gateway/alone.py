"""The data API without the rest of the core: at the root path, in the place of a PostgREST.

Told by PostgREST's variables, with PostgREST's defaults. Everything else about a request (limits,
cross-origin headers, lost clients, the log) is the front door's.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Mapping

from starlette.types import Receive, Scope, Send

from gavan.core.gateway.admin import Admin, AdminServer
from gavan.core.gateway.app import Gateway, rest_pool
from gavan.core.gateway.cors import Cors
from gavan.core.gateway.keys import bearer
from gavan.core.gateway.services import Mount
from gavan.core.rest.app import Service, build
from gavan.core.settings import Settings
from gavan.database.pool import Pool

logger = logging.getLogger(__name__)


class Alone(Gateway):
    """Every path is the data API's; there are no API keys, only bearer tokens."""

    def __init__(self, settings: Settings, service: Service, pool: Pool) -> None:
        self._rest = Mount("rest", service)
        # Without a schema cache the service answers for itself, in PostgREST's words.
        self._rest.is_ready = True
        self._service = service
        self._origins = service.config.cors_origins
        self._admin: AdminServer | None = None
        if settings.admin is not None:
            self._admin = AdminServer(Admin(service.watch, pool), settings.admin)
        if not settings.recovers:
            service.watch.when_lost(self._give_up)
        super().__init__(settings, [self._rest], None, pool)

    async def start(self) -> None:
        """Start, and reload the schema cache on SIGUSR1 and SIGUSR2."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            loop.add_signal_handler(number, self._service.reload)
        if self._admin is not None:
            await self._admin.start()  # before the rest: it tells that the rest is not ready
        await super().start()

    async def stop(self) -> None:
        """Stop the admin server last: it tells that the rest ends."""
        await super().stop()
        if self._admin is not None:
            await self._admin.stop()

    def _give_up(self) -> None:
        logger.error("the database is lost and not to be waited for", extra={"event": "exit"})
        self.exit_code = 1
        signal.raise_signal(signal.SIGTERM)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (origins := self._service.config.cors_origins) is not self._origins:
            self._origins, self._cors = origins, Cors(origins)
        await super().__call__(scope, receive, send)

    def _mount(self, scope: Scope) -> Mount | None:
        del scope  # nothing to take off: no prefix
        return self._rest

    def _token(self, headers: Mapping[bytes, bytes]) -> str | None:
        return bearer(headers.get(b"authorization", b"").decode("latin-1"))


def build_alone(settings: Settings, reread: Callable[[], Settings] | None = None) -> Alone:
    """Return the application; raise GavanError GV703 for options that cannot be read.

    Args:
        reread: reads the settings anew when the configuration is reloaded.
    """
    pool = rest_pool(settings)
    return Alone(settings, build(settings, pool, reread), pool)
