"""The realtime service: an ASGI application for websockets and its few HTTP endpoints.

The gateway mounts it under ``/realtime/v1``; paths arrive here without that prefix.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from gavan.core.frame_socket import EXTENSION
from gavan.core.realtime.codec import Version, negotiate
from gavan.core.realtime.config import read_limits
from gavan.core.realtime.http import Api
from gavan.core.realtime.hub import Hub
from gavan.core.realtime.janitor import keep_partitions
from gavan.core.realtime.limits import Limits
from gavan.core.realtime.socket import Socket
from gavan.core.realtime.tokens import TokenRefused, Tokens
from gavan.core.settings import Settings
from gavan.kit.jwt import Verifier

SOCKET_PATHS = ("/websocket", "/socket/websocket")
CLOSE_RESTART = 1012
CLOSE_POLICY = 1008
STOP_S = 1.0
LOOKS = 6
"""How often a socket is looked at within the silence that it is allowed"""


class UpgradeRefused(Exception):
    """A websocket that is not opened; ``status`` and text go out as an HTTP answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Service:
    """ASGI callable with a life: ``start`` before the first request, ``stop`` after the last."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._api = Api(hub)
        self._janitor: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._sockets: dict[Socket, asyncio.Task[None] | None] = {}

    async def start(self) -> None:
        """Begin to care for the partitions; the stream opens when somebody joins."""
        url = self.hub.database_url.reveal()
        self._janitor = asyncio.create_task(keep_partitions(url))
        self._watch = asyncio.create_task(self._look_regularly())

    async def stop(self) -> None:
        """Refuse joins and tell every client to come back later."""
        self.hub.stopping = True
        for socket in self._sockets:
            socket.close(CLOSE_RESTART)
        tasks = [task for task in self._sockets.values() if task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_S)
        own = [task for task in (self._janitor, self._watch) if task is not None]
        for task in own:
            task.cancel()
        await asyncio.gather(*own, return_exceptions=True)
        await self.hub.stop()

    async def _look_regularly(self) -> None:
        # One clock for all sockets: a timer for each would be wound up at every frame.
        pause_s = self.hub.limits.idle_s / LOOKS
        last = time.monotonic()
        while True:
            await asyncio.sleep(pause_s)
            last, before = time.monotonic(), last
            for socket in tuple(self._sockets):
                socket.look(last, last - before)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if scope["type"] == "websocket":
            await self._websocket(path, scope, receive, send)
        else:
            response = await self._api.respond(path, scope, receive)
            await response(scope, receive, send)

    async def _websocket(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        try:
            socket = self._open(path, scope)
        except UpgradeRefused as refusal:
            await asyncio.sleep(self.hub.limits.connect_error_pause_s)
            await _refuse(refusal, scope, receive, send)
            return
        self._sockets[socket] = asyncio.current_task()
        self.hub.sockets += 1
        try:
            await send({"type": "websocket.accept"})
            await socket.serve()
        finally:
            self.hub.sockets -= 1
            del self._sockets[socket]

    def _open(self, path: str, scope: Scope) -> Socket:
        if path not in SOCKET_PATHS:
            raise UpgradeRefused(404, "Not found")
        query = parse_qs(scope["query_string"].decode("latin-1"))
        version = _version(query)
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        key = headers.get("x-api-key") or query.get("apikey", [""])[0]
        if not key:
            raise UpgradeRefused(401, "API key is missing")
        try:
            self.hub.tokens.check(key)
        except TokenRefused as refusal:
            raise UpgradeRefused(401, refusal.upgrade_text) from refusal
        if self.hub.sockets >= self.hub.limits.connections:
            raise UpgradeRefused(429, "Too many connected users")
        return Socket(self.hub, version, key, headers, scope["extensions"][EXTENSION])


def build(
    settings: Settings, *, verifier: Verifier | None = None, limits: Limits | None = None
) -> Service:
    """Return the service; nothing is opened before ``start``.

    Args:
        settings: database URLs and keys.
        verifier: the gateway's; without one, its own over the same keys.
        limits: for tests; otherwise read from the environment.
    """
    opaque = {
        settings.publishable_key.reveal(): settings.anon_key.reveal(),
        settings.secret_key.reveal(): settings.service_role_key.reveal(),
    }
    verifier = verifier or Verifier(settings.keys.verifying)
    return Service(
        Hub(
            tokens=Tokens(verifier, opaque),
            limits=limits or read_limits(),
            database_url=settings.admin_url,
            asking_url=settings.realtime_admin_url,
            secret=settings.service_role_key,
        )
    )


def _version(query: Mapping[str, list[str]]) -> Version:
    version = negotiate(query.get("vsn", [""])[0])
    if version is None:
        raise UpgradeRefused(403, "Unsupported vsn: use 1.0.0 or 2.0.0")
    return version


async def _refuse(refusal: UpgradeRefused, scope: Scope, receive: Receive, send: Send) -> None:
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": CLOSE_POLICY, "reason": str(refusal)})
        return
    response: Response = JSONResponse({"error": str(refusal)}, status_code=refusal.status)

    async def send_denial(event: Any) -> None:
        await send({**event, "type": event["type"].replace("http.", "websocket.http.", 1)})

    await response({**scope, "type": "http"}, receive, send_denial)
