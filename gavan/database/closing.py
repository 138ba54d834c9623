"""Close a connection of psycopg that another task may be using."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Any

import psycopg


async def close_in_use(connection: psycopg.AsyncConnection[Any]) -> None:
    """Close a connection; a statement that runs on it fails with psycopg.OperationalError.

    While a statement runs, psycopg has the loop watch its socket. Closed beneath it, the number of
    the socket is soon another connection's, and it is that one which the loop would then no longer
    watch: so the wire is cut first, and the socket closed when nobody waits on it.
    """
    if connection.lock.locked() and not connection.closed:
        with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as beside:
            beside.shutdown(socket.SHUT_RDWR)
        async with connection.lock:
            pass
    await connection.close()
