"""See who makes a migration wait for its locks, while it waits.

Stands under the runner, on a connection of its own: afterwards nobody can tell any more.
"""

from __future__ import annotations

import threading
import time
import weakref
from types import TracebackType
from typing import Self

import psycopg
from psycopg.conninfo import make_conninfo

from gavan.database.migration.history import Connection

POLL_S = 0.25
TICK_S = 0.1
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
        self.began = 0.0
        if connection not in _watchers:
            _watchers[connection] = _Watcher(connection)
        self._watcher = _watchers[connection]

    def __enter__(self) -> Self:
        self.began = time.monotonic()
        self._watcher.run = self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watcher.run = None


class _Watcher:
    """Looks at one connection for as long as it is open: most runs end before the first look."""

    def __init__(self, connection: Connection) -> None:
        self.run: Blockers | None = None
        self._connection = weakref.ref(connection)
        self._pid = connection.info.backend_pid
        self._url = make_conninfo(connection.info.dsn, password=connection.info.password)
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while self._is_open():
            time.sleep(TICK_S)
            run = self.run
            if run is not None and time.monotonic() - run.began >= POLL_S:
                self._look(run)

    def _is_open(self) -> bool:
        connection = self._connection()
        return connection is not None and not connection.closed

    def _look(self, run: Blockers) -> None:
        try:
            with psycopg.connect(self._url, autocommit=True, connect_timeout=5) as connection:
                while self.run is run and self._is_open():
                    rows = connection.execute(_WHO.encode(), (self._pid,)).fetchall()
                    if rows:
                        run.seen = [str(row[0]) for row in rows]
                    time.sleep(TICK_S)
        except psycopg.Error:
            time.sleep(POLL_S)  # a look aside must not fail the migration


_watchers: weakref.WeakKeyDictionary[Connection, _Watcher] = weakref.WeakKeyDictionary()
