"""The replication slot: temporary, or durable under a name; and how far its reader lags behind."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import psycopg
from psycopg.conninfo import conninfo_to_dict

from gavan.core.realtime.connection import Connection, read_sql

PREFIX = "supabase_realtime_replication_slot_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """What waits in the slot: bytes of WAL, and Postgres's word for whether it keeps them."""

    bytes: int
    status: str


def durable_name(url: str) -> str:
    """Return the name of a database's durable slot; slots belong to the whole server."""
    database = str(conninfo_to_dict(url).get("dbname", ""))
    return PREFIX + blake2b(database.encode(), digest_size=6).hexdigest()


async def measure(connection: Connection) -> Lag | None:
    """Return the lag of the slot that is read in this database; None when there is none."""
    try:
        rows = await connection.fetch(read_sql("lag.sql"), (f"{PREFIX}%",))
    except psycopg.Error:
        return None
    return Lag(bytes=int(rows[0][0]), status=str(rows[0][1])) if rows else None
