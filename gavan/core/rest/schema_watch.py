"""Keep the snapshot fresh: load at start, again on ``NOTIFY pgrst``, again after a lost connection.

Requests never wait for this; while a reload fails the old snapshot serves.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import psycopg

from gavan.core.rest.config import RestConfig
from gavan.core.rest.plan.build import Snapshot
from gavan.core.rest.schema_load import load_snapshot
from gavan.database.identifier import quote_identifier
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

CHANNEL = "pgrst"
RELOADING = frozenset({"", "reload schema", "reload config"})
DEBOUNCE_S = 0.1
BACKOFF_FIRST_S = 1.0
BACKOFF_LAST_S = 32.0
CONNECT_TIMEOUT_S = 5

logger = logging.getLogger(__name__)


class SchemaWatch:
    """Owns the listening connection; ``snapshot`` is None until the first load succeeds."""

    def __init__(
        self,
        url: Secret,
        read_base: Callable[[], RestConfig],
        *,
        channel: str = CHANNEL,
        listen: bool = True,
    ) -> None:
        self._url = url
        self._read_base = read_base
        self.base = read_base()
        self._listening = f"listen {quote_identifier(channel)}".encode() if listen else None
        self._reloading: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._loaded = asyncio.Event()
        self.snapshot: Snapshot | None = None
        self.retry_after_s = 1

    async def start(self, timeout_s: float = 10.0) -> None:
        """Begin; returns when the first snapshot is there or ``timeout_s`` have passed."""
        self._task = asyncio.create_task(self._run())
        try:
            async with asyncio.timeout(timeout_s):
                await self._loaded.wait()
        except TimeoutError:
            logger.warning("serving without a schema cache", extra={"event": "schema.missing"})

    async def stop(self) -> None:
        """Close the connection."""
        if self._reloading is not None:
            self._reloading.cancel()
            await asyncio.gather(self._reloading, return_exceptions=True)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def reload(self) -> None:
        """Begin to load anew over a connection of its own."""
        self._reloading = asyncio.create_task(self._reload_apart())

    async def _run(self) -> None:
        pause = BACKOFF_FIRST_S
        while True:
            try:
                async with await self._connect() as connection:
                    if self._listening is not None:
                        # LISTEN before loading: a change in between is notified, not missed.
                        await connection.execute(self._listening)
                    await self._load(connection)
                    pause = BACKOFF_FIRST_S
                    if self._listening is None:
                        return
                    await self._follow(connection)
            except psycopg.Error as error:
                logger.warning(
                    "the schema listener lost Postgres: %s", error, extra={"event": "schema.lost"}
                )
            self.retry_after_s = round(pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, BACKOFF_LAST_S)

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        return await psycopg.AsyncConnection.connect(
            self._url.reveal(),
            autocommit=True,
            application_name="gavan rest listener",
            connect_timeout=CONNECT_TIMEOUT_S,
            prepare_threshold=None,  # a pooler may give every transaction another session
        )

    async def _reload_apart(self) -> None:
        try:
            async with await self._connect() as connection:
                await self._reload(connection)
        except psycopg.Error as error:
            logger.warning(
                "the schema cache stays as it was: %s", error, extra={"event": "schema.stale"}
            )

    async def _follow(self, connection: psycopg.AsyncConnection[Any]) -> None:
        while True:
            # A migration sends many: the pause after the first gathers them into one load. What
            # arrives during a load waits in psycopg's backlog for the next turn.
            payloads = [n.payload async for n in connection.notifies(stop_after=1)]
            payloads += [n.payload async for n in connection.notifies(timeout=DEBOUNCE_S)]
            if not RELOADING.isdisjoint(payloads):
                await self._reload(connection)

    async def _reload(self, connection: psycopg.AsyncConnection[Any]) -> None:
        try:
            await self._load(connection)
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            logger.warning(
                "the schema cache stays as it was: %s", error, extra={"event": "schema.stale"}
            )

    @property
    def config(self) -> RestConfig:
        """What holds now: the snapshot's configuration, before the first load the base."""
        return self.snapshot.config if self.snapshot is not None else self.base

    def _read_again(self) -> None:
        # A rotated secret in a mounted file is a reason to reload.
        try:
            self.base = self._read_base()
        except GavanError as error:
            logger.warning(
                "the configuration stays as it was: %s", error, extra={"event": "config.ignored"}
            )

    async def _load(self, connection: psycopg.AsyncConnection[Any]) -> None:
        if self.snapshot is not None:
            self._read_again()
        self.snapshot = await load_snapshot(connection, self.base)
        self._loaded.set()
        cache = self.snapshot.cache
        logger.info(
            "schema cache: %d relations, %d functions",
            len(cache.tables),
            len(cache.routines),
            extra={"event": "schema.loaded"},
        )
