"""One runner at a time per database: an advisory lock on a connection of its own.

Stands below the runner. The lock belongs to the connection: a killed runner frees it.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

KEY = 0x6761_7661_6E01
POLL_S = 0.2

Connection = psycopg.Connection[tuple[Any, ...]]


def connect(url: Secret, purpose: str) -> Connection:
    """Open an autocommit connection; raise GavanError GV321 when the database is not reachable."""
    wanted: dict[str, Any] = {
        "application_name": f"gavan-{purpose}/{socket.gethostname()}:{os.getpid()}",
        "connect_timeout": 10,
        "keepalives_idle": 15,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }
    try:
        return psycopg.connect(url.reveal(), autocommit=True, prepare_threshold=None, **wanted)
    except psycopg.OperationalError as error:
        facts = conninfo_to_dict(url.reveal())
        place = f"{facts.get('host', 'localhost')}:{facts.get('port', 5432)}"
        raise GavanError(
            "GV321",
            f"no connection to the database at {place}",
            details=str(error).strip(),
            hint="gavan up, or gavan status",
            exit_code=3,
        ) from error


@contextmanager
def migration_lock(url: Secret, *, wait_s: float, waiting: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of the database; ``waiting`` hears once who has it.

    Raises GavanError GV313 with exit code 4 when it is not free within ``wait_s``.
    """
    with connect(url, "migrate-lock") as connection:
        deadline = time.monotonic() + wait_s
        told = False
        while not _try(connection):
            holder = _holder(connection)
            if time.monotonic() >= deadline:
                raise GavanError(
                    "GV313",
                    "another migration run holds the lock of this database",
                    details=holder,
                    hint="wait for it, or give it longer: gavan migrate up --wait 5m",
                    exit_code=4,
                )
            if not told:
                waiting(holder)
                told = True
            time.sleep(POLL_S)
        yield


def _try(connection: Connection) -> bool:
    row = connection.execute("select pg_try_advisory_lock(%s)", (KEY,)).fetchone()
    return bool(row and row[0])


def _holder(connection: Connection) -> str:
    row = connection.execute(
        "select a.pid, a.usename, a.application_name, coalesce(host(a.client_addr), 'socket'),"
        " a.backend_start::timestamptz(0)::text"
        " from pg_locks as l join pg_stat_activity as a using (pid)"
        " where l.locktype = 'advisory' and l.granted and l.database ="
        " (select oid from pg_database where datname = current_database())"
        " and (l.classid::bigint << 32 | l.objid::bigint) = %s",
        (KEY,),
    ).fetchone()
    if row is None:
        return "held a moment ago, just freed"
    pid, user, application, host, since = row
    return f"backend {pid}, {application} as {user} from {host}, since {since}"
