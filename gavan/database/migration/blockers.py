"""See who makes a migration wait for its locks, while it waits; end them, where that is asked for.

Stands under the runner, on a connection of its own: afterwards nobody can tell any more.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator
from datetime import datetime
from types import TracebackType
from typing import Self

import psycopg
from psycopg.conninfo import make_conninfo

from gavan.database.migration.history import Connection

POLL_S = 0.25
TICK_S = 0.1
# Whoever has the number of a backend that ended meanwhile is somebody else.
_END = (
    "select pid from pg_stat_activity,"
    " unnest(%s::int[], %s::timestamptz[]) as d (number, began)"
    " where pid = d.number and backend_start = d.began and pid <> pg_backend_pid()"
)
_WHO = (
    "select pid, backend_start,"
    " format('backend %%s (%%s, %%s) has been in %%s for %%s s: %%s', pid, usename,"
    " coalesce(nullif(application_name, ''), 'no name'), state,"
    " extract(epoch from clock_timestamp() - coalesce(xact_start, query_start))::int,"
    " left(regexp_replace(query, '\\s+', ' ', 'g'), 120))"
    " from pg_stat_activity where pid = any (pg_blocking_pids(%s)) order by xact_start"
)


class Blockers:
    """As a context manager around a run: ``seen`` names who blocked it last, by backend."""

    def __init__(self, connection: Connection) -> None:
        self.seen: list[str] = []
        self.backends: list[tuple[int, datetime]] = []
        """Of those the number, and since when they are connected."""
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


def end_blockers(connection: Connection, backends: list[tuple[int, datetime]]) -> Iterator[str]:
    """End the sessions that were in the way, and yield what became of each.

    One that has ended by itself is not mentioned; nor is another that has its number by now.
    """
    numbers, began = [one[0] for one in backends], [one[1] for one in backends]
    for (pid,) in connection.execute(_END.encode(), (numbers, began)).fetchall():
        try:
            connection.execute("select pg_terminate_backend(%s)", (pid,))
        except psycopg.errors.InsufficientPrivilege as error:
            yield f"backend {pid} stays: {error.diag.message_primary}"
        else:
            yield f"ended backend {pid}"


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
                        run.backends = [(int(row[0]), row[1]) for row in rows]
                        run.seen = [str(row[2]) for row in rows]
                    time.sleep(TICK_S)
        except psycopg.Error:
            time.sleep(POLL_S)  # a look aside must not fail the migration


_watchers: weakref.WeakKeyDictionary[Connection, _Watcher] = weakref.WeakKeyDictionary()
