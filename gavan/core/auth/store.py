"""The rows of schema auth: named queries over a small pool that logs in as supabase_auth_admin."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from gavan.core.auth.errors import AuthError
from gavan.core.auth.model import Row
from gavan.database.queries import load_queries
from gavan.kit.secret import Secret

CONNECTIONS = 4
IDLE_S = 30.0
ACQUIRE_TIMEOUT_S = 5.0

Connection = psycopg.AsyncConnection[DictRow]


class Store:
    """The pool; connections are opened when needed and closed after 30 s idle."""

    def __init__(self, url: Secret) -> None:
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url.reveal(),
            connection_class=psycopg.AsyncConnection[DictRow],
            kwargs={"row_factory": dict_row, "application_name": "gavan-auth"},
            min_size=0,
            max_size=CONNECTIONS,
            max_idle=IDLE_S,
            timeout=ACQUIRE_TIMEOUT_S,
            reconnect_timeout=ACQUIRE_TIMEOUT_S,
            check=AsyncConnectionPool.check_connection,
            num_workers=1,
            name="auth",
            open=False,
        )

    async def open(self) -> None:
        """Begin; returns at once, also while Postgres is down."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close(timeout=1)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Give a connection in a transaction that commits unless something is raised.

        Raises:
            AuthError: 503 when Postgres cannot be reached or dies meanwhile; clients try again.
        """
        try:
            async with self._pool.connection() as connection:
                yield connection
        except (PoolTimeout, psycopg.OperationalError) as error:
            if isinstance(error, psycopg.errors.QueryCanceled):
                raise
            raise AuthError(
                503, "unexpected_failure", "The database cannot be reached, try again"
            ) from error


class Queries:
    """The named queries of one package, ``sql/<package>.sql`` next to its code."""

    def __init__(self, path: Path) -> None:
        self._texts = load_queries(path)

    async def one(self, connection: Connection, query: str, **params: Any) -> Row | None:
        """Return the first row of a named query."""
        cursor = await connection.execute(self._texts[query], _adapted(params))
        return await cursor.fetchone()

    async def many(self, connection: Connection, query: str, **params: Any) -> list[DictRow]:
        """Return all rows of a named query."""
        cursor = await connection.execute(self._texts[query], _adapted(params))
        return await cursor.fetchall()

    async def change(self, connection: Connection, query: str, **params: Any) -> int:
        """Run a named query that returns no rows; return how many it changed."""
        return (await connection.execute(self._texts[query], _adapted(params))).rowcount


_base = Queries(Path(__file__).parent / "sql" / "queries.sql")
one, many, change = _base.one, _base.many, _base.change


def _adapted(params: dict[str, Any]) -> dict[str, Any]:
    return {
        name: Jsonb(value) if isinstance(value, dict) else value for name, value in params.items()
    }
