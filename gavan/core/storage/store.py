"""The rows of schema storage: as the caller, whom policies bind, or as the owner of the tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from gavan.core.storage.caller import Caller
from gavan.core.storage.errors import StorageError, database_error
from gavan.database.pipeline import Check
from gavan.database.pool import Pool
from gavan.database.queries import load_queries
from gavan.database.session import DatabaseError, PoolTimeout, Rows, Session, Statement

OWNER = "supabase_storage_admin"
LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "30s"
"""Upstream's; whoever asks for too much, or has a policy that does, lets the connection go then"""
DEADLOCK = "40P01"
Value = str | int | bool | dict[str, Any] | list[Any] | None


class Queries:
    """The named queries of one package, with ``$1..$n``; dicts and lists travel as JSON."""

    def __init__(self, path: Path) -> None:
        self._texts = load_queries(path)

    def __call__(self, name: str, *values: Value, then: Statement | None = None) -> Statement:
        """Return the statement of a name with its values."""
        return Statement(text=self._texts[name], params=tuple(map(_text, values)), then=then)


class Store:
    """Statements over one pool that logs in as the owner of the tables."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def open(self) -> None:
        """Begin; returns at once, also while Postgres is down."""
        await self._pool.open()

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    async def as_caller(
        self,
        caller: Caller,
        operation: str,
        statement: Statement,
        *,
        check: Check | None = None,
    ) -> Rows:
        """Run a statement as the role of the caller, under its policies, and commit.

        Args:
            operation: what ``storage.operation()`` answers to policies.
            check: sees the rows before COMMIT; what it raises takes the change back, and what it
                returns is done with it.

        Raises:
            StorageError: what Postgres refuses, in upstream's words.
        """
        session = _as_caller(caller, operation)
        return await self._run(session, statement, check)

    async def read_as_caller(self, caller: Caller, operation: str, statement: Statement) -> Rows:
        """Run a statement that changes nothing; raises as ``as_caller``."""
        return await self._run(_as_caller(caller, operation, read_only=True), statement)

    async def read_as_owner(self, statement: Statement) -> Rows:
        """Run a statement past all policies that changes nothing; raises as ``as_caller``."""
        return await self._run(Session(role=OWNER, read_only=True), statement)

    async def try_as_caller(self, caller: Caller, operation: str, statement: Statement) -> Rows:
        """Let the policies judge a change without making it; raises as ``as_caller``."""
        return await self._run(_as_caller(caller, operation, rollback=True), statement)

    async def as_owner(self, statement: Statement, *, check: Check | None = None) -> Rows:
        """Run a statement past all policies, and commit; raises as ``as_caller``."""
        session = Session(
            role=OWNER,
            settings=(("storage.allow_delete_query", "true"), ("lock_timeout", LOCK_TIMEOUT)),
        )
        return await self._run(session, statement, check)

    async def _run(
        self,
        session: Session,
        statement: Statement,
        check: Check | None = None,
        rounds: int = 5,
    ) -> Rows:
        try:
            return await self._pool.run(session, statement, check=check)
        except PoolTimeout as error:
            raise StorageError(
                429, "SlowDown", error.message, error="too_many_connections", http_status=429
            ) from error
        except DatabaseError as error:
            # Postgres took one of two changes back that waited for each other: nothing is done.
            if error.sqlstate != DEADLOCK or not rounds:
                raise database_error(error) from error
        return await self._run(session, statement, check, rounds - 1)


def _as_caller(
    caller: Caller, operation: str, *, read_only: bool = False, rollback: bool = False
) -> Session:
    settings = (
        *caller.settings(operation),
        ("lock_timeout", LOCK_TIMEOUT),
        ("statement_timeout", STATEMENT_TIMEOUT),
    )
    return Session(role=caller.role, settings=settings, read_only=read_only, rollback=rollback)


def _text(value: Value) -> bytes | None:
    if value is None or isinstance(value, str):
        return None if value is None else value.encode()
    return orjson.dumps(value)  # of numbers and truth values too: Postgres reads them so
