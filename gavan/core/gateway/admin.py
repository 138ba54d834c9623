"""The admin server of the data API alone: what an orchestrator and a Prometheus ask, apart from it.

Paths and names of metrics are PostgREST's (``PostgREST/postgrest:src/library/PostgREST/Admin.hs``,
``Metrics.hs``). There is no ``/config``, which would tell the secrets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import uvicorn
from starlette.types import Receive, Scope, Send

from gavan.core.gateway.answers import send_bytes
from gavan.core.listening import Address, bind
from gavan.core.rest.schema_watch import SchemaWatch
from gavan.database.pool import Pool
from gavan.database.session import DatabaseError, PoolTimeout

PING_S = 5.0
_JSON = (b"content-type", b"application/json")
_TEXT = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")


class Admin:
    """ASGI application of ``/live``, ``/ready``, ``/schema_cache`` and ``/metrics``."""

    def __init__(self, watch: SchemaWatch, pool: Pool) -> None:
        self._watch = watch
        self._pool = pool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive  # nothing here has a body
        path = scope["path"]
        if path == "/live":
            await send_bytes(send, 200, b"")
        elif path == "/ready":
            await send_bytes(send, 200 if await self._is_ready() else 503, b"")
        elif path == "/schema_cache":
            await send_bytes(send, 200, self._schema_cache(), [_JSON])
        elif path == "/metrics":
            await send_bytes(send, 200, self._metrics().encode(), [_TEXT])
        else:
            await send_bytes(send, 404, b"")

    async def _is_ready(self) -> bool:
        """There is a schema cache and a database: the listener would know if it had gone."""
        if self._watch.snapshot is None:
            return False
        if self._watch.listens:
            return True
        try:
            async with asyncio.timeout(PING_S):
                await self._pool.ping()
        except (DatabaseError, PoolTimeout, TimeoutError):
            return False
        return True

    def _schema_cache(self) -> bytes:
        snapshot = self._watch.snapshot
        if snapshot is None:
            return b""
        cache = snapshot.cache
        found = {
            "tables": list(cache.tables.values()),
            "relationships": [item for items in cache.relationships.values() for item in items],
            "routines": [item for items in cache.routines.values() for item in items],
        }
        return orjson.dumps(found)

    def _metrics(self) -> str:
        loads, pool = self._watch.loads, self._pool.figures
        loaded = {'{status="SUCCESS"}': loads.done, '{status="FAIL"}': loads.failed}
        metrics: tuple[tuple[str, str, dict[str, float]], ...] = (
            ("pgrst_schema_cache_query_time_seconds", "gauge", {"": loads.last_s}),
            ("pgrst_schema_cache_loads_total", "counter", {**loaded}),
            ("pgrst_db_pool_timeouts_total", "counter", {"": pool.timeouts}),
            ("pgrst_db_pool_available", "gauge", {"": pool.idle}),
            ("pgrst_db_pool_waiting", "gauge", {"": pool.waiting}),
            ("pgrst_db_pool_max", "gauge", {"": pool.size}),
        )
        lines: list[str] = []
        for name, kind, samples in metrics:
            lines.append(f"# TYPE {name} {kind}")
            lines += [f"{name}{labels} {value}" for labels, value in samples.items()]
        return "\n".join([*lines, ""])


class AdminServer:
    """Serves the admin application beside the data API, in the same process.

    Raises GavanError GV703 when the address cannot be had.
    """

    def __init__(self, application: Admin, address: Address) -> None:
        self._address = address
        self._socket = bind(address)
        config = uvicorn.Config(
            application,
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
        )
        self._server = _Unsignalled(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to answer."""
        self._task = asyncio.create_task(self._server.serve([self._socket]))

    async def stop(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._server.should_exit = True
            await self._task
        if self._address.unix is not None:
            self._address.unix.path.unlink(missing_ok=True)


class _Unsignalled(uvicorn.Server):
    """Leaves the signals to the server of the data API."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
