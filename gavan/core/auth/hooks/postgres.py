"""Hooks that are functions of Postgres: ``select schema.function(payload)``, in two seconds."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from gavan.core.auth.config.hooks import HookConfig
from gavan.core.auth.hooks.refusal import Output, output_of, unexpected
from gavan.core.auth.store import Connection, Store
from gavan.database.identifier import quote_identifier

TIMEOUT_MS = 2000


class PostgresHooks:
    """Calls functions as the role of this service, which must be granted to run them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def call(
        self, hook: HookConfig, payload: dict[str, Any], connection: Connection | None
    ) -> Output:
        """Return what the function returned.

        Args:
            connection: the caller's transaction; without one the function has its own.

        Raises:
            AuthError: its refusal, or 500 when it raised, took too long or may not be run.
        """
        try:
            if connection is not None:
                return await _run(connection, hook, payload)
            async with self._store.transaction() as own:
                return await _run(own, hook, payload)
        except psycopg.Error as error:
            schema, name = hook.function or ("", "")
            raise unexpected(
                f"Error running hook URI: pg-functions://postgres/{schema}/{name}"
            ) from error


async def _run(connection: Connection, hook: HookConfig, payload: dict[str, Any]) -> Output:
    schema, name = hook.function or ("", "")
    function = f"{quote_identifier(schema)}.{quote_identifier(name)}"
    before = await connection.execute("select current_setting('statement_timeout') as value")
    row = await before.fetchone()
    await _set_timeout(connection, str(TIMEOUT_MS))
    cursor = await connection.execute(
        f"select {function}(%s)::text as output".encode(), [Jsonb(payload)]
    )
    answer = await cursor.fetchone()
    await _set_timeout(connection, str(row["value"]) if row else "0")
    return output_of(answer["output"] if answer else None)


async def _set_timeout(connection: Connection, value: str) -> None:
    await connection.execute("select set_config('statement_timeout', %s, true)", [value])
