"""One runner at a time per database: an advisory lock on a connection of its own.

Stands below the runner. The lock belongs to the connection: a killed runner frees it. Every
connection of one process ends in the same ``host:pid``, so that `gavan migrate unlock` finds the
one that works beside the one that holds the lock.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from gavan.database.bootstrap import NO_STRANGERS
from gavan.database.migration.ready import require_ready
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

KEY = 0x6761_7661_6E01
POLL_S = 0.2
ASK_EVERY_S = 1.0
"""Who is behind the connection is asked this often at most: of a thousand files each takes 10 ms"""

Connection = psycopg.Connection[tuple[Any, ...]]
_OF_LOCK = (
    "from pg_locks as l where l.locktype = 'advisory' and l.granted"
    " and l.database = (select oid from pg_database where datname = current_database())"
    " and (l.classid::bigint << 32 | l.objid::bigint) = %(key)s"
)
_HOLDER = """
select a.pid, a.usename, a.application_name, coalesce(host(a.client_addr), 'socket'),
    a.backend_start::timestamptz(0)::text,
    coalesce((
        select left(regexp_replace(w.query, '\\s+', ' ', 'g'), 120)
        from pg_stat_activity as w
        where w.pid <> a.pid and w.datname = a.datname and w.state <> 'idle'
            and position('/' in a.application_name) > 0
            and split_part(w.application_name, '/', 2) = split_part(a.application_name, '/', 2)
        limit 1), '')
from pg_stat_activity as a
"""


def connect(url: Secret, purpose: str) -> Connection:
    """Open an autocommit connection; raise GavanError GV321 when the database is not reachable."""
    wanted: dict[str, Any] = {
        # Short enough to stay whole: the server keeps 63 bytes.
        "application_name": f"gavan-{purpose}/{socket.gethostname()[:30]}:{os.getpid()}",
        # Files are UTF-8, whatever the locale of this machine or PGCLIENTENCODING say.
        "client_encoding": "utf8",
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who has the lock: a backend of the server, and what its process does beside holding it."""

    pid: int
    user: str
    application: str
    host: str
    since: str
    doing: str
    """The statement that another connection of the same process runs; empty when there is none."""

    def __str__(self) -> str:
        now = f"; now: {self.doing}" if self.doing else ""
        place = f"{self.application} as {self.user} from {self.host}"
        return f"backend {self.pid}, {place}, since {self.since}{now}"


class Lock:
    """A lock that is held; it is asked for again before every file.

    Whoever ends its connection makes the socket speak, which is seen without asking the server. A
    pooler that answers with another backend is not: the server is asked for that.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._asked = float("-inf")

    def require(self) -> None:
        """Raise GavanError GV312 when the lock is not this connection's any more."""
        now = time.monotonic()
        if now - self._asked < ASK_EVERY_S and self._is_silent():
            return
        self._asked = now
        try:
            held = self._connection.execute(
                f"select exists (select {_OF_LOCK} and l.pid = pg_backend_pid())".encode(),
                {"key": KEY},
            ).fetchone()
        except psycopg.Error as error:
            raise _lost("its connection has ended") from error
        if not (held and held[0]):
            raise _lost("another backend of the server answers on the connection that took it")

    def _is_silent(self) -> bool:
        """Tell whether the server has said nothing since it was asked, and is still there."""
        listener = select.poll()
        listener.register(self._connection.fileno(), select.POLLIN)
        return not listener.poll(0)


def connect_bare(url: Secret, purpose: str) -> Connection:
    """As ``connect``, with names looked up in pg_catalog alone: for whoever may be a superuser."""
    connection = connect(url, purpose)
    connection.execute(NO_STRANGERS)
    return connection


@contextmanager
def migration_lock(url: Secret, *, wait_s: float, waiting: Callable[[str], None]) -> Iterator[Lock]:
    """Hold the lock of the database; ``waiting`` hears once who has it.

    Raises GavanError GV313 with exit code 4 when it is not free within ``wait_s``, GV346 and GV347
    for a server that is not to be changed.
    """
    with connect(url, "migrate-lock") as connection:
        require_ready(connection)
        deadline = time.monotonic() + wait_s
        told = False
        while not _try(connection):
            holder = read_holder(connection)
            if time.monotonic() >= deadline:
                raise GavanError(
                    "GV313",
                    "another migration run holds the lock of this database",
                    details=_shown(holder),
                    hint="wait for it: gavan migrate up --wait 5m; if nobody waits for it any more:"
                    " gavan migrate unlock",
                    exit_code=4,
                )
            if not told:
                waiting(_shown(holder))
                told = True
            time.sleep(POLL_S)
        yield Lock(connection)


def read_holder(connection: Connection) -> Holder | None:
    """Return who holds the lock of this database; None when it is free."""
    row = connection.execute(
        f"{_HOLDER} where a.pid in (select l.pid {_OF_LOCK})".encode(), {"key": KEY}
    ).fetchone()
    if row is None:
        return None
    pid, user, application, host, since, doing = row
    return Holder(
        pid=pid, user=str(user), application=application, host=host, since=since, doing=doing
    )


def _try(connection: Connection) -> bool:
    row = connection.execute("select pg_try_advisory_lock(%s)", (KEY,)).fetchone()
    return bool(row and row[0])


def _shown(holder: Holder | None) -> str:
    return str(holder) if holder else "held a moment ago, just freed"


def _lost(why: str) -> GavanError:
    return GavanError(
        "GV312",
        "the lock of this run was lost; what was applied stays, nothing more is",
        details=why,
        hint="behind a pooler give the database's own address; look: gavan migrate status",
        exit_code=4,
    )
