"""One connection that hears notifications, sends them, and may hold the lock of the reader."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from gavan.core.realtime.connection import CONNECT_TIMEOUT_S, LASTING, connect
from gavan.database.closing import close_in_use
from gavan.database.identifier import quote_identifier

READER_LOCK = "gavan realtime reader"
KEEPALIVE = (
    "-c search_path=pg_catalog -c tcp_keepalives_idle=20 -c tcp_keepalives_interval=5"
    " -c tcp_keepalives_count=3 -c statement_timeout=0" + LASTING
)


class Line:
    """Open it, speak, close it.

    Args:
        channel: letters and digits.
        hear: takes the text of every notification.
        lose: called once when the connection ends of itself.
    """

    def __init__(
        self,
        connection: psycopg.AsyncConnection[Any],
        channel: str,
        hear: Callable[[str], None],
        lose: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._channel = channel
        self._hear = hear
        self._lose = lose
        self._guard = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._socket = connection.fileno()
        self._is_over = False
        self._is_watched = False
        connection.add_notify_handler(lambda notify: hear(notify.payload))

    @classmethod
    async def open(
        cls, url: str, channel: str, hear: Callable[[str], None], lose: Callable[[], None]
    ) -> Line:
        """Connect and listen; raise psycopg.Error."""
        conninfo = make_conninfo(
            url,
            application_name="gavan realtime cluster",
            connect_timeout=CONNECT_TIMEOUT_S,
            options=KEEPALIVE,
        )
        line = cls(await connect(conninfo), channel, hear, lose)
        try:
            await line._run(f"listen {quote_identifier(channel)}", ())
        except BaseException:
            await line.close()
            raise
        return line

    async def say(self, pieces: Sequence[str]) -> None:
        """Send notifications, in this order and all or none; raise psycopg.Error."""
        await self._run(
            "select pg_notify(%s, piece) from unnest(%s::text[]) with ordinality as said (piece, n)"
            " order by n",
            (self._channel, list(pieces)),
        )

    async def try_lock(self) -> bool:
        """Become the one reader of the database unless another is; raise psycopg.Error."""
        row = await self._run("select pg_try_advisory_lock(hashtext(%s))", (READER_LOCK,))
        return row is not None and bool(row[0])

    async def close(self) -> None:
        """End the connection; its lock goes with it. A statement that runs fails."""
        self._end()
        with suppress(psycopg.Error):
            await close_in_use(self._connection)

    async def _run(self, query: str, params: tuple[object, ...]) -> tuple[Any, ...] | None:
        async with self._guard:
            if self._is_over:
                raise psycopg.OperationalError("the line is closed")
            # psycopg waits on the same socket while a statement runs.
            self._watch(False)
            try:
                cursor = await self._connection.execute(query.encode(), params)
                return await cursor.fetchone() if cursor.description else None
            except psycopg.OperationalError:
                self._break()
                raise
            finally:
                if self._connection.closed:
                    self._break()
                else:
                    self._watch(not self._is_over)

    def _readable(self) -> None:
        pgconn = self._connection.pgconn
        try:
            pgconn.consume_input()
        except psycopg.Error:
            self._break()
            return
        while notify := pgconn.notifies():
            self._hear(notify.extra.decode())

    def _break(self) -> None:
        if not self._is_over:
            self._end()
            self._connection.pgconn.finish()
            self._lose()

    def _end(self) -> None:
        self._is_over = True
        self._watch(False)

    def _watch(self, is_wanted: bool) -> None:
        """Have the loop tell of what comes, or stop; never once the socket is closed, when its
        number may be another's."""
        if is_wanted and not self._is_watched:
            self._loop.add_reader(self._socket, self._readable)
        elif self._is_watched and not is_wanted:
            self._loop.remove_reader(self._socket)
        self._is_watched = is_wanted
