"""Daily partitions of ``realtime.messages``: made ahead, dropped when their rows are too old.

Without today's partition nothing can be sent from the database and no private channel joined.
"""

from __future__ import annotations

import asyncio
import logging

import psycopg
from psycopg.conninfo import make_conninfo

from gavan.core.realtime.connection import CONNECT_TIMEOUT_S, connect, read_sql

log = logging.getLogger(__name__)

INTERVAL_S = 4 * 3600.0
RETRY_S = 30.0


async def keep_partitions(url: str) -> None:
    """Care for the partitions now and every four hours, until cancelled."""
    while True:
        try:
            await _care(url)
        except (psycopg.Error, OSError) as error:
            log.warning("partitions_not_kept", extra={"why": str(error), "retry_s": RETRY_S})
            await asyncio.sleep(RETRY_S)
        else:
            await asyncio.sleep(INTERVAL_S)


async def _care(url: str) -> None:
    conninfo = make_conninfo(
        url,
        application_name="gavan realtime janitor",
        connect_timeout=CONNECT_TIMEOUT_S,
        options="-c search_path=pg_catalog",
    )
    async with await connect(conninfo) as connection:
        await connection.execute(read_sql("partitions.sql").encode())
