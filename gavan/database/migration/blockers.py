"""See who makes a migration wait for its locks, while it waits.

Stands under the runner, on a connection of its own: afterwards nobody can tell any more.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

import psycopg
from psycopg.conninfo import make_conninfo

from gavan.database.migration.history import Connection

POLL_S = 0.25
_WHO = (
    "select format('backend %%s (%%s, %%s) has been in %%s for %%s s: %%s', pid, usename,"
    " coalesce(nullif(application_name, ''), 'no name'), state,"
    " extract(epoch from clock_timestamp() - coalesce(xact_start, query_start))::int,"
    " left(regexp_replace(query, '\\s+', ' ', 'g'), 120))"
    " from pg_stat_activity where pid = any (pg_blocking_pids(%s)) order by xact_start"
)


class Blockers:
    """As a context manager around a run: ``seen`` names who blocked it last, by backend."""

    def __init__(self, connection: Connection) -> None:
        self.seen: list[str] = []
        self._pid = connection.info.backend_pid
        self._url = make_conninfo(connection.info.dsn, password=connection.info.password)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        # Most files are done before the first look, and need no second connection.
        if self._over.wait(POLL_S):
            return
        try:
            with psycopg.connect(self._url, autocommit=True, connect_timeout=5) as connection:
                while not self._over.is_set():
                    rows = connection.execute(_WHO.encode(), (self._pid,)).fetchall()
                    if rows:
                        self.seen = [str(row[0]) for row in rows]
                    self._over.wait(POLL_S)
        except psycopg.Error:
            return  # a look aside must not fail the migration
