"""The front door of the core: request id, key, CORS, limits, then the service of the prefix.

Raw ASGI: every request passes here, so it does little and does it once.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from gavan.core.gateway.access import Access, AccessLog
from gavan.core.gateway.answers import (
    NO_STORE,
    BodyTooLarge,
    not_found,
    not_ready,
    send_bytes,
    send_error,
    send_json,
    unexpected,
)
from gavan.core.gateway.cors import Cors, Headers
from gavan.core.gateway.exchange import Exchange, LongRequests
from gavan.core.gateway.keys import ApiKeys, request_token, socket_token
from gavan.core.gateway.services import STOP_S, Mount, load_services
from gavan.core.settings import Settings
from gavan.database.pool import Pool
from gavan.kit.backup_state import backup_field
from gavan.kit.jwt import Claims, Verifier
from gavan.kit.version import VERSION

START_WAIT_S = 5.0
INBOX = "/_gavan/inbox"
PROBES = frozenset(
    {
        "/",
        "/health",
        "/health/ready",
        "/rest-admin/v1/ready",
        "/rest-admin/v1/live",
        f"{INBOX}/api/wait",  # an open page of the inbox waits for the next mail, again and again
    }
)
CLIENT_CLOSED = 499
INTERNAL_ERROR = 1011
POLICY_VIOLATION = 1008
_REQUEST_ID = re.compile(rb"[\w.:/+=-]{1,128}")
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})

logger = logging.getLogger(__name__)


class Gateway:
    """An ASGI application that serves the mounts and their common manners."""

    def __init__(
        self, settings: Settings, mounts: Sequence[Mount], verifier: Verifier | None, pool: Pool
    ) -> None:
        self._mounts = {mount.prefix: mount for mount in mounts}
        self._verifier = verifier
        self._pool = pool
        self._cors = Cors(settings.cors_origins)
        self._long = LongRequests()
        self._log = AccessLog(settings.log_format, least_status=settings.least_logged_status)
        self.exit_code = 0
        self._limit_bytes = settings.max_body_bytes
        self._keys = ApiKeys(
            publishable=settings.publishable_key,
            secret=settings.secret_key,
            anon_token=settings.anon_key,
            service_token=settings.service_role_key,
        )
        self._backup_state = settings.backup_state
        self._starting: list[asyncio.Task[None]] = []
        self._started_at = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._lifespan(receive, send)

    async def start(self) -> None:
        """Start every service; return when all run or after five seconds."""
        await self._pool.open()
        self._starting = [asyncio.create_task(mount.start()) for mount in self._mounts.values()]
        if self._starting:
            await asyncio.wait(self._starting, timeout=START_WAIT_S)
        # What is loaded by now stays for good: keep the collector from walking it again and again.
        gc.collect()
        gc.freeze()

    async def stop(self) -> None:
        """Stop every service and close the pool."""
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*(mount.stop() for mount in self._mounts.values()))
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await self._pool.close()
        self._log.flush()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        path, method = scope["path"], scope["method"]
        headers = dict(scope["headers"])
        request_id = _request_id(headers)
        scope["gavan.request_id"] = request_id
        mount = self._mount(scope)
        origin = headers.get(b"origin")
        extra: Headers = [(b"x-request-id", request_id.encode())]
        service = mount.name if mount else "gateway"
        if origin is not None and not _is_preflight(method, headers):
            extra += self._cors.response(origin, service)
        limit_bytes = self._limit_bytes if mount is None else mount.limit_bytes(self._limit_bytes)
        exchange = Exchange(receive, send, extra, limit_bytes)
        try:
            await self._answer(scope, headers, mount, exchange)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not exchange.is_abandoned or task is None:
                raise
            task.uncancel()
        finally:
            self._long.discard(exchange)
            exchange.close()
            access = Access(
                service=service,
                request_id=request_id,
                method=method,
                path=path,
                status=CLIENT_CLOSED if exchange.is_abandoned else exchange.status,
                ms=(time.perf_counter() - began) * 1000,
                size_bytes=exchange.sent_bytes,
                user_id=_user_id(scope),
            )
            # A probe that goes well is asked for every few seconds and tells nothing.
            if access.status not in {200, 204} or path not in PROBES:
                self._log.write(access)

    async def _answer(
        self,
        scope: Scope,
        headers: Mapping[bytes, bytes],
        mount: Mount | None,
        exchange: Exchange,
    ) -> None:
        send, method = exchange.send, scope["method"]
        try:
            if _is_preflight(method, headers):
                granted = self._cors.preflight(headers[b"origin"], headers)
                await send_bytes(send, 200, b"", granted)
            elif _declared_bytes(headers) > exchange.limit_bytes:
                await send_error(send, BodyTooLarge(exchange.limit_bytes))
            elif mount is None:
                await self._own_page(scope["path"], exchange)
            elif not mount.is_ready:
                await send_error(send, not_ready(mount.name), [(b"retry-after", b"1")])
            else:
                scope["gavan.verifier"] = self._verifier
                scope["gavan.token"] = self._token(headers)
                exchange.begin(has_body=method not in _BODILESS)
                self._long.add(exchange)
                await mount.service(scope, exchange.receive, send)
        except BodyTooLarge:
            pass  # answered below, as when the service has caught it and answered in its own way
        except ClientDisconnect:
            exchange.is_abandoned = True
        except Exception:
            logger.exception(
                "request failed", extra={"request_id": scope["gavan.request_id"], "event": "defect"}
            )
            if not exchange.status and not exchange.is_too_large:
                await send_error(send, unexpected())
        if exchange.is_too_large and not exchange.status:
            exchange.is_too_large = False
            close = [(b"connection", b"close")]
            await send_error(send, BodyTooLarge(exchange.limit_bytes), close)

    def _token(self, headers: Mapping[bytes, bytes]) -> str | None:
        """Return the token that a request acts with."""
        return request_token(
            headers.get(b"authorization", b"").decode("latin-1"),
            headers.get(b"apikey", b"").decode("latin-1"),
            self._keys,
        )

    def _mount(self, scope: Scope) -> Mount | None:
        """Return the service of the path, and take its prefix off."""
        parts = scope["path"].split("/", 3)
        prefix = "/".join(parts[:3])
        if prefix == "/graphql/v1":  # answered by the data API's function of that name
            mount = self._mounts.get("/rest/v1")
            if mount is not None:
                scope["path"], scope["raw_path"] = "/rpc/graphql", b"/rpc/graphql"
            return mount
        if prefix == INBOX:  # mails caught in development, shown by who catches them
            return self._mounts.get("/auth/v1")
        mount = self._mounts.get(prefix)
        if mount is not None:
            path = f"/{parts[3]}" if len(parts) > 3 else "/"
            raw: bytes = scope.get("raw_path") or b""
            scope["path"], scope["root_path"] = path, prefix
            scope["raw_path"] = (
                raw[len(prefix) :] or b"/"
                if raw.startswith(prefix.encode())
                else quote(path).encode()
            )
        return mount

    async def _own_page(self, path: str, exchange: Exchange) -> None:
        send = exchange.send
        if path in {"/", "/health"}:
            await send_json(send, 200, self._health(), [NO_STORE])
        elif path == "/health/ready":
            await send_json(send, 200 if self._is_ready() else 503, self._health(), [NO_STORE])
        elif path == "/rest-admin/v1/live":
            await send_bytes(send, 200, b"")
        elif path == "/rest-admin/v1/ready":
            rest = self._mounts.get("/rest/v1")
            await send_bytes(send, 200 if rest is not None and _is_ready(rest) else 503, b"")
        elif path.startswith("/rest-admin/v1/"):
            await send_bytes(send, 404, b"")
        else:
            await send_error(send, not_found(path))

    def _is_ready(self) -> bool:
        return all(_is_ready(mount) for mount in self._mounts.values())

    def _health(self) -> dict[str, Any]:
        return {
            "status": "ready" if self._is_ready() else "starting",
            "version": VERSION,
            "uptime_s": round(time.monotonic() - self._started_at),
            "checks": [
                {"name": mount.name, "ok": _is_ready(mount), "required": True}
                for mount in self._mounts.values()
            ],
            **self._backup(),
        }

    def _backup(self) -> dict[str, Any]:
        """Return how old the newest backup is; one that is missing degrades nothing but trust."""
        if self._backup_state is None:
            return {}
        found = backup_field(self._backup_state, datetime.now(UTC))
        return {"backup": found, "degraded": [] if found["state"] == "ok" else ["backup"]}

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        scope["gavan.request_id"] = _request_id(headers)
        mount = self._mount(scope)
        if mount is None or not mount.is_ready:
            await receive()
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        scope["gavan.verifier"] = self._verifier
        key = headers.get(b"x-api-key") or headers.get(b"apikey", b"")
        scope["gavan.token"] = socket_token(
            key.decode("latin-1"), scope["query_string"], self._keys
        )
        try:
            await mount.service(scope, receive, send)
        except Exception:
            logger.exception(
                "socket failed", extra={"request_id": scope["gavan.request_id"], "event": "defect"}
            )
            with suppress(RuntimeError):
                await send({"type": "websocket.close", "code": INTERNAL_ERROR})


def build(settings: Settings) -> Gateway:
    """Return the front door with the configured services behind it; nothing is opened yet."""
    verifier = Verifier(settings.keys.verifying)
    pool = rest_pool(settings)
    return Gateway(settings, load_services(settings, pool, verifier), verifier, pool)


def rest_pool(settings: Settings) -> Pool:
    """Return the pool of the data API; raise GavanError GV703 for times that cannot be read."""
    return Pool(
        settings.authenticator_url,
        size=settings.pool_size,
        application_name="gavan-rest",
        times=settings.pool_times,
        prepare=settings.prepares,
    )


def _request_id(headers: Mapping[bytes, bytes]) -> str:
    sent = headers.get(b"x-request-id")
    if sent is not None and _REQUEST_ID.fullmatch(sent):
        return sent.decode()
    return os.urandom(16).hex()


def _is_preflight(method: str, headers: Mapping[bytes, bytes]) -> bool:
    return (
        method == "OPTIONS" and b"origin" in headers and b"access-control-request-method" in headers
    )


def _declared_bytes(headers: Mapping[bytes, bytes]) -> int:
    length = headers.get(b"content-length", b"")
    return int(length) if length.isdigit() else 0


def _is_ready(mount: Mount) -> bool:
    # A service may say more than that it has started: the data API needs its schema cache.
    return mount.is_ready and bool(getattr(mount.service, "ready", True))


def _user_id(scope: Scope) -> str | None:
    claims = scope.get("gavan.claims")
    return claims.sub if isinstance(claims, Claims) else None
