"""Is this a server that can be changed at all: a primary, writable, of a major that we know.

Stands beside the lock; every verb that changes a database comes by here. Postgres tells all of it
with the connection, so nothing is asked.
"""

from __future__ import annotations

from typing import Any

import psycopg

from gavan.kit.errors import GavanError

OLDEST = 140_000
"""PostgreSQL 14, as for the data API: the oldest major that the tests run against."""
_ON = "on"


def require_ready(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Raise GavanError GV346 for a replica or a database that is read only, GV347 for an old one.

    What a pooler does not pass on is taken for good: the first statement would tell.
    """
    if _says(connection, b"in_hot_standby"):
        raise _not_writable(
            "the server is a replica: it takes no changes",
            "give the address of the primary; after a failover: where is it now?",
        )
    if _says(connection, b"default_transaction_read_only"):
        raise _not_writable(
            "transactions are read only here (default_transaction_read_only)",
            "hosted projects switch to it when their disk is full; else: show"
            " default_transaction_read_only",
        )
    if connection.info.server_version < OLDEST:
        raise GavanError(
            "GV347",
            f"the server is Postgres {connection.info.server_version // 10_000}; the oldest that is"
            f" migrated is {OLDEST // 10_000}",
            hint="upgrade the server first: its own makers have ended its support",
            exit_code=3,
        )


def is_superuser(connection: psycopg.Connection[tuple[Any, ...]]) -> bool:
    """Tell whether nothing is refused to the role of a connection."""
    return _says(connection, b"is_superuser")


def _says(connection: psycopg.Connection[tuple[Any, ...]], name: bytes) -> bool:
    status = connection.pgconn.parameter_status(name)
    return status is not None and status.decode() == _ON


def _not_writable(why: str, hint: str) -> GavanError:
    return GavanError("GV346", f"{why}; nothing was changed", hint=hint, exit_code=3)
