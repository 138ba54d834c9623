"""A connection that asks what users have written: opened when first used, and after a loss.

Autocommit: every call is one statement, so a role that a call takes on ends with it. The functions
it calls are made in the session (pg_temp) when it opens, and go with it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from importlib.resources import files
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from gavan.database.closing import close_in_use

CONNECT_TIMEOUT_S = 10
# A network that is gone without a word is found out within half a minute, whether we wait or write.
ALIVE: dict[str, int] = {
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
LASTING = (
    " -c idle_session_timeout=0 -c idle_in_transaction_session_timeout=0 -c lock_timeout=0"
    " -c bytea_output=hex -c quote_all_identifiers=off"
)
"""Options of a session that stays, whatever settings the database or the role brings along"""
# A user's filter is a regular expression and a user's policy is SQL: neither may hold the others.
# Under a snapshot older than the wait for a commit its rows would never be seen.
SESSION = (
    "-c search_path=pg_catalog -c statement_timeout=500 -c timezone=UTC -c datestyle=ISO"
    " -c default_transaction_isolation=read\\ committed" + LASTING
)
_SQL = files("gavan.core.realtime") / "sql"


def read_sql(name: str) -> str:
    """Return the text of one of this part's SQL files."""
    return (_SQL / name).read_text()


async def connect(conninfo: str) -> psycopg.AsyncConnection[Any]:
    """Return an open autocommit connection; raise psycopg.Error.

    A connect that is cancelled half-way would leave a backend waiting for the client's password,
    and such a backend holds up every DROP DATABASE: so it is finished first, then closed.
    """
    conninfo = make_conninfo(conninfo, **ALIVE)
    connecting = asyncio.ensure_future(psycopg.AsyncConnection.connect(conninfo, autocommit=True))
    try:
        return await asyncio.shield(connecting)
    except asyncio.CancelledError:
        with suppress(psycopg.Error):
            await (await connecting).close()
        raise


class Connection:
    """One connection, one call at a time.

    Args:
        url: supabase_realtime_admin; what runs here may become whom it may become.
        functions: SQL file that makes the session's functions.
    """

    def __init__(self, url: str, functions: str) -> None:
        self._conninfo = make_conninfo(
            url,
            application_name="gavan realtime",
            connect_timeout=CONNECT_TIMEOUT_S,
            options=SESSION,
        )
        self._functions = functions
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._lock = asyncio.Lock()

    @property
    def is_open(self) -> bool:
        """The connection is open as far as this side knows."""
        return self._connection is not None and not self._connection.closed

    async def close(self) -> None:
        """Close the connection; a call that runs fails, the next one opens another."""
        if self._connection is not None:
            await close_in_use(self._connection)

    async def fetch(self, query: str, params: tuple[object, ...]) -> list[tuple[Any, ...]]:
        """Return the rows of a query; raise psycopg.Error."""
        async with self._lock:
            connection = await self._opened()
            # Not prepared: users' code could put a statement of its own in the place of ours.
            cursor = await connection.execute(query.encode(), params, prepare=False)
            return await cursor.fetchall()

    async def _opened(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is None or self._connection.closed:
            connection = await connect(self._conninfo)
            self._connection = connection
            try:
                await connection.execute(read_sql(self._functions).encode())
            except BaseException:
                await connection.close()
                raise
        return self._connection
