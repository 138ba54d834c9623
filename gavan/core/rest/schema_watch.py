"""Keep the snapshot fresh: load at start, again on ``NOTIFY pgrst``, again after a lost connection.

Requests never wait for this; while a reload fails the old snapshot serves. Where notifications
cannot be had, as on a replica, the catalogue is looked at from time to time instead.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gavan.core.rest.config import RestConfig
from gavan.core.rest.plan.build import Snapshot
from gavan.core.rest.schema_load import load_snapshot
from gavan.database.identifier import quote_identifier
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

CHANNEL = "pgrst"
RELOADING = frozenset({"", "reload schema", "reload config"})
LISTENER, LOADER = "gavan rest listener", "gavan rest schema"
DEBOUNCE_S = 0.1
BACKOFF_FIRST_S = 1.0
BACKOFF_LAST_S = 32.0
CONNECT_TIMEOUT_S = 5
KEEPALIVE_S = 60

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loads:
    """How often the schema cache was loaded, how often that failed, how long the last took."""

    done: int = 0
    failed: int = 0
    last_s: float = 0.0


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
        self._listener_url = _writable_host(url)
        self._looks = False
        self._when_lost: Callable[[], None] | None = None
        self._when_outdated: Callable[[], None] | None = None
        self._reloading: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._loaded = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self.snapshot: Snapshot | None = None
        self.retry_after_s = 1
        self.listens = False
        self.loads = Loads()

    def when_lost(self, call: Callable[[], None]) -> None:
        """Call this when the database is lost, or not there at the start, instead of retrying."""
        self._when_lost = call

    def when_outdated(self, call: Callable[[], None]) -> None:
        """Call this when sessions begun before no longer fit.

        Their prepared statements keep the types that columns had, their settings are old.
        """
        self._when_outdated = call

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
        """Begin to load anew."""
        self._reloading = asyncio.create_task(self._reload_apart())

    async def _run(self) -> None:
        pause = BACKOFF_FIRST_S
        while True:
            try:
                if self._listening is None:
                    await self._load()
                    return
                async with await self._connect(self._listener_url, LISTENER) as connection:
                    self.listens = await self._ask_to_listen(connection, self._listening)
                    await self._load()
                    if self.listens:
                        pause = BACKOFF_FIRST_S
                        await self._follow(connection)
            except psycopg.Error as error:
                logger.warning(
                    "the schema listener lost Postgres: %s", error, extra={"event": "schema.lost"}
                )
                self.listens = False
                if self._when_lost is not None:
                    self._loaded.set()  # nobody need wait any longer
                    self._when_lost()
                    return
                if self._listener_url is not self._url and self.snapshot is None:
                    await self._reload_apart()  # the primary is away, another host may answer
            self.retry_after_s = round(pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, BACKOFF_LAST_S)

    async def _ask_to_listen(
        self, connection: psycopg.AsyncConnection[Any], command: bytes
    ) -> bool:
        """Listen before loading: a change in between is notified, not missed."""
        try:
            await connection.execute(command)
        except psycopg.errors.ReadOnlySqlTransaction as error:
            # A replica: it may be promoted one day, so this is asked again with every look.
            if not self._looks:
                logger.warning(
                    "no notifications here, the schema is looked at every %d s: %s",
                    BACKOFF_LAST_S,
                    error,
                    extra={"event": "schema.no_listen"},
                )
            self._looks = True
            return False
        self._looks = False
        return True

    async def _connect(self, url: Secret, name: str) -> psycopg.AsyncConnection[Any]:
        return await psycopg.AsyncConnection.connect(
            url.reveal(),
            autocommit=True,
            application_name=name,
            connect_timeout=CONNECT_TIMEOUT_S,
            prepare_threshold=None,  # a pooler may give every transaction another session
            # A listener is silent for days: balancers forget such a connection after minutes, and
            # no notification would ever come again.
            keepalives_idle=KEEPALIVE_S,
        )

    async def _connect_to_load(self) -> psycopg.AsyncConnection[Any]:
        # Of several hosts the primary, whose notification a replica may not have caught up with.
        try:
            return await self._connect(self._listener_url, LOADER)
        except psycopg.OperationalError:
            if self._listener_url is self._url:
                raise
            return await self._connect(self._url, LOADER)

    async def _reload_apart(self) -> None:
        try:
            await self._load()
        except psycopg.Error as error:
            _tell_stale(error)

    async def _follow(self, connection: psycopg.AsyncConnection[Any]) -> None:
        while True:
            # A migration sends many: the pause after the first gathers them into one load. What
            # arrives during a load waits in psycopg's backlog for the next turn.
            payloads = [n.payload async for n in connection.notifies(stop_after=1)]
            payloads += [n.payload async for n in connection.notifies(timeout=DEBOUNCE_S)]
            if not RELOADING.isdisjoint(payloads):
                await self._reload()

    async def _reload(self) -> None:
        try:
            await self._load()
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            _tell_stale(error)

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

    async def _load(self) -> None:
        """Load over a connection that ends with it.

        The catalogue of a thousand tables fills 60 MB of its server process, which the listener
        would hold for good.
        """
        async with self._one_at_a_time:
            if self.snapshot is not None:
                self._read_again()
            began = time.monotonic()
            try:
                async with await self._connect_to_load() as connection:
                    loaded = await load_snapshot(connection, self.base, self.snapshot)
            except psycopg.Error:
                self.loads = replace(self.loads, failed=self.loads.failed + 1)
                raise
            took_s = time.monotonic() - began
            self.loads = replace(self.loads, done=self.loads.done + 1, last_s=took_s)
            self._take(loaded)

    def _take(self, loaded: Snapshot) -> None:
        known = self.snapshot
        if loaded is known:
            return
        self.snapshot = loaded
        if self._when_outdated is not None and known is not None and loaded.source != known.source:
            self._when_outdated()
        self._loaded.set()
        logger.info(
            "schema cache: %d relations, %d functions",
            len(loaded.cache.tables),
            len(loaded.cache.routines),
            extra={"event": "schema.loaded"},
        )


def _tell_stale(error: psycopg.Error) -> None:
    logger.warning("the schema cache stays as it was: %s", error, extra={"event": "schema.stale"})


def _writable_host(url: Secret) -> Secret:
    """Return where to listen: of several hosts the primary, which alone sends notifications.

    So ``postgres://replica,primary/app`` reads from the replica and hears of changes, as upstream
    (docs/references/listener.rst).
    """
    known = conninfo_to_dict(url.reveal())
    if "," not in str(known.get("host", "")) + str(known.get("hostaddr", "")):
        return url
    return Secret(make_conninfo(url.reveal(), target_session_attrs="read-write"))
