"""Keep two processes from one upload: session locks of Postgres, all on one connection.

A lock for each upload that is being written, asked for without waiting; a process that dies loses
them all with its connection. Upstream holds a transaction, so a connection, for each request; six
slow clients would use up our pool. The connection is opened when needed and closed when idle.

Whoever wants an upload that another process has takes a second lock, the wish; who holds uploads
looks for wishes once a second.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol

import psycopg

from gavan.core.storage.errors import database_error
from gavan.core.storage.finish import carry_through
from gavan.core.storage.resumable.answers import not_let_go
from gavan.database.closing import close_in_use
from gavan.database.session import CONNECTION_FAILURE, DatabaseError
from gavan.kit.secret import Secret

HELD, WISHED = "held", "wished"
LOOK_S = 1.0
RETRY_S = 0.25
IDLE_S = 30.0
CONNECT_TIMEOUT_S = 5
_WISHES = (
    "select distinct (classid::bigint << 32) | objid::bigint from pg_locks"
    " where locktype = 'advisory' and objsubid = 1"
    " and (classid::bigint << 32) | objid::bigint = any(%s::bigint[])"
    " and database = (select oid from pg_database where datname = current_database())"
)

logger = logging.getLogger(__name__)


class Asked(Protocol):
    """Whoever holds an upload."""

    def ask(self) -> None: ...

    def lose(self) -> None: ...


class Guards:
    """The locks of this process; ``url`` leads to Postgres itself or a pooler of sessions."""

    def __init__(self, url: Secret) -> None:
        self._url = url
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._opening = asyncio.Lock()
        self._holders: dict[int, Asked] = {}  # by the number of the wish for what they hold
        self._taken: set[int] = set()
        self._watch: asyncio.Task[None] | None = None
        self._used_at = 0.0

    @asynccontextmanager
    async def hold(self, version: str, holder: Asked, deadline: float) -> AsyncIterator[None]:
        """Keep other processes off an upload within the block.

        Raises:
            StorageError: 423 when another process does not give it up before the deadline, 429
                when Postgres cannot be reached.
        """
        wish = lock_number(WISHED, version)
        try:
            await self._take_in_time(version, deadline)
            self._holders[wish] = holder
            yield
        finally:
            self._holders.pop(wish, None)
            await carry_through(self._release(lock_number(HELD, version)))

    async def close(self) -> None:
        """Close the connection, and so let go of all."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await self._lose()

    async def _take_in_time(self, version: str, deadline: float) -> None:
        held, wish = lock_number(HELD, version), lock_number(WISHED, version)
        loop = asyncio.get_running_loop()
        try:
            while not await carry_through(self._take(held)):
                if loop.time() >= deadline:
                    raise not_let_go()
                await carry_through(self._take(wish))
                await asyncio.sleep(RETRY_S)
        finally:
            await carry_through(self._release(wish))

    async def _take(self, number: int) -> bool:
        """Have a lock if it is free, or one's own already."""
        if number not in self._taken:
            rows = await self._query("select pg_try_advisory_lock(%s)", number)
            if rows[0][0]:
                self._taken.add(number)
        return number in self._taken

    async def _release(self, number: int) -> None:
        if number not in self._taken:
            return
        self._taken.discard(number)
        connection = self._connection
        if connection is not None:
            with suppress(psycopg.Error):  # the watch will notice
                await connection.execute("select pg_advisory_unlock(%s)", (number,))

    async def _query(self, text: str, *values: object) -> list[Any]:
        try:
            try:
                return await self._execute(text, values)
            except psycopg.OperationalError:
                # A connection that died while nobody used it is noticed only now.
                return await self._execute(text, values)
        except psycopg.Error as error:
            failed = DatabaseError(error.sqlstate or CONNECTION_FAILURE, str(error))
            raise database_error(failed) from error

    async def _execute(self, text: str, values: Sequence[object]) -> list[Any]:
        connection = await self._connected()
        return await (await connection.execute(text.encode(), values)).fetchall()

    async def _connected(self) -> psycopg.AsyncConnection[Any]:
        async with self._opening:
            self._used_at = asyncio.get_running_loop().time()
            if self._connection is None or self._connection.closed:
                await self._lose()
                self._connection = await psycopg.AsyncConnection.connect(
                    self._url.reveal(),
                    autocommit=True,
                    application_name="gavan-storage-uploads",
                    connect_timeout=CONNECT_TIMEOUT_S,
                    prepare_threshold=None,
                    keepalives_idle=10,
                )
                if self._watch is None or self._watch.done():
                    self._watch = asyncio.get_running_loop().create_task(self._look())
            return self._connection

    async def _look(self) -> None:
        """Pass wishes on, notice a lost connection, and close one that nobody needs."""
        loop = asyncio.get_running_loop()
        while self._connection is not None:
            await asyncio.sleep(LOOK_S)
            if self._holders:
                self._used_at = loop.time()
                await self._look_once()
            elif loop.time() - self._used_at > IDLE_S:
                await self._lose()

    async def _look_once(self) -> None:
        connection = self._connection
        if connection is None:
            return
        try:
            asked = await connection.execute(_WISHES, (list(self._holders),))
            for (number,) in await asked.fetchall():
                holder = self._holders.get(number)
                if holder is not None:
                    holder.ask()
        except psycopg.Error as error:
            logger.warning(
                "the guards of uploads are lost: %s", error, extra={"event": "storage.guards_lost"}
            )
            await self._lose()

    async def _lose(self) -> None:
        connection, self._connection = self._connection, None
        for holder in self._holders.values():
            holder.lose()
        self._holders.clear()
        self._taken.clear()
        if connection is not None:
            with suppress(psycopg.Error):
                await close_in_use(connection)


def lock_number(kind: str, version: str) -> int:
    """Return the number of a lock, in the one space that all of a database share."""
    digest = hashlib.sha256(f"gavan storage {kind} {version}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
