"""The services of this process: import the configured ones, start them, start them again.

A service whose database is down does not stop the core: it is tried until it starts.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import sys
from collections.abc import Callable
from typing import Protocol

from starlette.types import Receive, Scope, Send

from gavan.core.settings import SERVICES, Settings
from gavan.database.pool import Pool
from gavan.kit.errors import GavanError
from gavan.kit.jwt import Verifier

RETRY_FIRST_S = 0.2
RETRY_LAST_S = 5.0
STOP_S = 2.0

logger = logging.getLogger(__name__)


class Service(Protocol):
    """An ASGI application with a life."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class Mount:
    """One service under its prefix, and whether it has started."""

    def __init__(self, name: str, service: Service) -> None:
        self.name = name
        self.prefix = f"/{name}/v1"
        self.service = service
        self.is_ready = False

    async def start(self) -> None:
        """Start the service; try again with growing pauses until it does."""
        pause_s = RETRY_FIRST_S
        while True:
            try:
                await self.service.start()
            except Exception as error:  # noqa: BLE001 - whatever stops it, the next try may pass
                logger.warning(
                    "service %s did not start: %s",
                    self.name,
                    error,
                    extra={"event": "service.start_failed", "retry_s": pause_s},
                )
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, RETRY_LAST_S)
                continue
            self.is_ready = True
            logger.info("service %s is ready", self.name, extra={"event": "service.ready"})
            return

    def limit_bytes(self, usual: int) -> int:
        """Return how large a body may be: what a service streams, it bounds itself."""
        return sys.maxsize if getattr(self.service, "streams_bodies", False) else usual

    async def stop(self) -> None:
        """Stop the service within two seconds; a failure is logged, not raised."""
        try:
            async with asyncio.timeout(STOP_S):
                await self.service.stop()
        except Exception:
            logger.exception("service %s did not stop cleanly", self.name)


def load_services(settings: Settings, pool: Pool, verifier: Verifier) -> list[Mount]:
    """Import and build the configured services only: what is not used costs no memory."""
    unknown = [name for name in settings.services if name not in SERVICES]
    if unknown:
        raise GavanError(
            "GV701",
            f"the core has no service {', '.join(unknown)}",
            hint=f"GAVAN_CORE_SERVICES takes {', '.join(SERVICES)}",
            exit_code=2,
        )
    return [Mount(name, _build(name, settings, pool, verifier)) for name in settings.services]


def _build(name: str, settings: Settings, pool: Pool, verifier: Verifier) -> Service:
    build: Callable[..., Service] = importlib.import_module(f"gavan.core.{name}.app").build
    return build(settings, pool) if name == "rest" else build(settings, verifier=verifier)
