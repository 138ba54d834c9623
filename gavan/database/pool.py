"""A small pool of pipeline connections: grows on demand, shrinks when idle, survives restarts.

Stands under every service that runs a statement as somebody.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from psycopg.conninfo import make_conninfo

from gavan.database.pipeline import Check, Connection
from gavan.database.session import (
    CONNECTION_DIED,
    CONNECTION_FAILURE,
    DatabaseError,
    PoolTimeout,
    Rows,
    Session,
    Statement,
)
from gavan.kit.secret import Secret

CONNECT_TIMEOUT_S = 5
SWEEP_S = 5.0
BACKOFF_FIRST_S = 0.05
BACKOFF_LAST_S = 1.0

T = TypeVar("T")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long a request waits for a connection, and one lives idle and in all; in seconds."""

    acquire_s: float = 10.0
    idle_s: float = 30.0
    life_s: float = 30 * 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a pool holds now, and how many requests found no connection in time so far."""

    size: int
    idle: int
    waiting: int
    timeouts: int


class Pool:
    """Connections of one login role.

    Args:
        url: conninfo or URL of the login role.
        size: most connections at a time. They are opened when needed and closed when long idle.
        prepare: keep prepared statements; False behind a pooler in transaction mode.
    """

    def __init__(
        self,
        url: Secret,
        *,
        size: int = 10,
        application_name: str = "gavan",
        times: Times = Times(),
        prepare: bool = True,
    ) -> None:
        self._url = url
        self._application_name = application_name
        self._size = size
        self._times = times
        self._timeouts = 0
        self._prepare = prepare
        self._idle: list[Connection] = []
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._total = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sweeper: asyncio.Task[None] | None = None
        self._backoff_s = 0.0
        self._down_until = 0.0
        self._down_reason: DatabaseError | None = None
        self._renewed_at = 0.0
        self._is_open = False

    async def open(self) -> None:
        """Start; returns at once, also while Postgres is down."""
        self._is_open = True
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep())

    async def close(self) -> None:
        """Close every connection; requests still waiting get 08006."""
        self._is_open = False
        while self._waiting:
            self._wake_one(None)
        if self._sweeper is not None:
            self._sweeper.cancel()
        while self._idle:
            self._discard(self._idle.pop())
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def renew(self) -> None:
        """Let go of every connection made so far: at once if idle, else when its work is done.

        For what only a new session takes: settings of the role or the database, and the types of
        columns, which prepared statements keep as they were.
        """
        self._renewed_at = asyncio.get_running_loop().time()
        while self._idle:
            self._discard(self._idle.pop())

    @property
    def retry_after_s(self) -> int:
        """Seconds until the next connection is tried, at least 1; for ``Retry-After``."""
        left = self._down_until - asyncio.get_running_loop().time()
        return max(1, round(left))

    @property
    def figures(self) -> Figures:
        return Figures(
            size=self._size,
            idle=len(self._idle),
            waiting=len(self._waiting),
            timeouts=self._timeouts,
        )

    async def ping(self) -> None:
        """Ask the server whether it is there; raises as ``run``."""
        await self._use(Connection.ping)

    async def run(
        self, session: Session, statement: Statement, *, check: Check | None = None
    ) -> Rows:
        """Run one statement as ``session.role`` in one transaction.

        Without ``check``, isolation and rollback this is one write and one read. When the calling
        task is cancelled the statement is cancelled too and the connection drained before reuse.
        A read-only session whose connection dies is run once more on another one.

        Args:
            check: sees the rows before COMMIT; whatever it raises rolls the transaction back, and
                what it returns is done before COMMIT, too.

        Raises:
            DatabaseError: with the server's SQLSTATE; 08001 or 08006 when it cannot be reached.
            PoolTimeout: no connection became free.
        """
        try:
            return await self._attempt(session, statement, check)
        except DatabaseError as error:
            # Only a reader may be sent again: a writer's COMMIT may have been the last thing done.
            if error.sqlstate not in CONNECTION_DIED or not session.read_only:
                raise
        return await self._attempt(session, statement, check)

    async def _attempt(self, session: Session, statement: Statement, check: Check | None) -> Rows:
        return await self._use(lambda connection: connection.run(session, statement, check))

    async def _use(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        connection = await self._acquire()
        try:
            result = await work(connection)
        except asyncio.CancelledError:
            self._spawn(self._recover(connection))
            raise
        except BaseException:
            self._release(connection)
            raise
        self._release(connection)
        return result

    async def _acquire(self) -> Connection:
        connection = self._take_idle()
        if connection is not None:
            return connection
        try:
            async with asyncio.timeout(self._times.acquire_s):
                return await self._acquire_slowly()
        except TimeoutError:
            self._timeouts += 1
            raise PoolTimeout(self._times.acquire_s) from None

    def _take_idle(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_lost:
                return connection
            self._discard(connection)
        return None

    async def _acquire_slowly(self) -> Connection:
        while True:
            if not self._is_open:
                raise DatabaseError(CONNECTION_FAILURE, "the connection pool is closed")
            connection = self._take_idle()
            if connection is None and self._total < self._size:
                connection = await self._connect()
            if connection is None:
                connection = await self._wait_for_turn()
            if connection is not None:
                return connection

    async def _wait_for_turn(self) -> Connection | None:
        """Return a connection handed over, or None when it is time to look again."""
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            # The hand-over may have happened in the very tick in which this request gave up.
            if waiter.cancelled():
                with suppress(ValueError):  # a hand-over may have skipped and dropped it already
                    self._waiting.remove(waiter)
            elif (connection := waiter.result()) is not None:
                self._release(connection)
            else:
                self._wake_one(None)
            raise

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        if self._down_reason is not None and loop.time() < self._down_until:
            reason = self._down_reason
            self._wake_one(None)  # the next in line learns it too, instead of waiting in vain
            raise DatabaseError(reason.sqlstate, reason.message, details=reason.details)
        self._total += 1
        # The connection is made by a task of its own: a request that gives up while it is made
        # leaves it to the next one.
        task = self._spawn(self._open_connection())
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(self._adopt)
            raise

    async def _open_connection(self) -> Connection:
        try:
            connection = await Connection.connect(
                make_conninfo(
                    self._url.reveal(),
                    application_name=self._application_name,
                    client_encoding="UTF8",
                    connect_timeout=CONNECT_TIMEOUT_S,
                ),
                prepare=self._prepare,
            )
        except BaseException as error:
            self._total -= 1
            if isinstance(error, DatabaseError):
                self._back_off(error)
            self._wake_one(None)
            raise
        self._backoff_s, self._down_reason = 0.0, None
        return connection

    def _adopt(self, task: asyncio.Task[Connection]) -> None:
        if not task.cancelled() and task.exception() is None:
            self._release(task.result())

    def _back_off(self, error: DatabaseError) -> None:
        if self._down_reason is None:
            logger.warning(
                "Postgres cannot be reached: %s", error.details, extra={"event": "database.down"}
            )
        self._backoff_s = min(max(self._backoff_s * 2, BACKOFF_FIRST_S), BACKOFF_LAST_S)
        self._down_until = asyncio.get_running_loop().time() + self._backoff_s
        self._down_reason = error

    def _release(self, connection: Connection) -> None:
        now = asyncio.get_running_loop().time()
        if connection.is_lost:
            # Its neighbours probably died with it, and have only not been told yet.
            while self._idle:
                self._discard(self._idle.pop())
        is_old = (
            connection.created_at <= self._renewed_at
            or now - connection.created_at > self._times.life_s
        )
        if connection.is_lost or not self._is_open or is_old:
            self._discard(connection)
            return
        connection.used_at = now
        if not self._wake_one(connection):
            self._idle.append(connection)  # the last used is the next used: the others may leave

    def _wake_one(self, connection: Connection | None) -> bool:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return True
        return False

    async def _recover(self, connection: Connection) -> None:
        try:
            await connection.recover()
        finally:
            self._release(connection)

    def _discard(self, connection: Connection) -> None:
        self._total -= 1
        self._wake_one(None)
        self._spawn(connection.close())

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_S)
            now = loop.time()
            stale = [
                connection
                for connection in self._idle
                if connection.is_lost
                or now - connection.used_at > self._times.idle_s
                or now - connection.created_at > self._times.life_s
            ]
            self._idle = [connection for connection in self._idle if connection not in stale]
            for connection in stale:
                self._discard(connection)

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
