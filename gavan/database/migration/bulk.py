"""Send a large file: rows many statements at once, while the next stretch of it is being parsed.

Stands beside the runner, inside its transaction. What is sent is never more than a window, and what
the history keeps of it goes there piece by piece.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
from psycopg import generators, pq
from psycopg.errors import error_from_result
from psycopg.pq.abc import PGconn
from psycopg.waiting import Wait

from gavan.database.migration.errors import NOTHING, StatementError, from_database
from gavan.database.migration.history import Connection
from gavan.database.migration.large import (
    LENGTH,
    SILENT,
    LargeStatements,
    Window,
)
from gavan.database.migration.split import Statement

GROUP_BYTES = 128 * 1024
_COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"
_MOSTLY = int(pq.ExecStatus.COMMAND_OK)
_DONE = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK, pq.ExecStatus.EMPTY_QUERY)
_COPY = (
    "copy supabase_migrations.schema_migrations (version, name, statements)"
    " from stdin (format binary)"
)


class _Refused(Exception):
    """The server refused a statement: how many before it in the same message it took."""

    def __init__(self, done: int, error: psycopg.Error) -> None:
        super().__init__(done)
        self.done = done
        self.error = error


def send(connection: Connection, statements: LargeStatements) -> None:
    """Run all statements in the transaction of ``connection``.

    Raises StatementError at file:line:column for one that the server refuses, or, the first time
    the file is read, that does not parse; GavanError as ``LargeStatements`` does.
    """
    for window in _ahead(statements.windows()):
        for first, last in _groups(statements, window):
            _send(connection, statements, window, (first, last))


def copy_applied(
    connection: Connection, version: str, name: str, statements: LargeStatements
) -> str:
    """Write the row of the CLI's table; a twin inserted meanwhile raises UniqueViolation.

    Returns the checksum, as that of ``statements``: it is of the bytes that are sent.
    """
    digest = hashlib.sha256()
    with connection.cursor().copy(_COPY) as copy:
        copy.write(_COPY_HEAD + (3).to_bytes(2))
        for text in (version, name):
            copy.write(LENGTH.pack(len(text.encode())) + text.encode())
        copy.write(LENGTH.pack(statements.stored_bytes()))
        for part in statements.stored():
            digest.update(part)
            copy.write(part)
        copy.write(_COPY_END)
    return digest.hexdigest()


def _ahead(windows: Iterator[Window]) -> Iterator[Window]:
    """Yield the windows, the next of which is read and parsed while the one before is sent."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, windows, None)
        while (window := following.result()) is not None:
            following = pool.submit(next, windows, None)
            yield window


def _groups(statements: LargeStatements, window: Window) -> Iterator[tuple[int, int]]:
    """Yield what is sent together, as numbers from and to before: rows in groups, others alone."""
    first = window.first
    while first < window.last:
        last = statements.end_of_rows(first, window.last, GROUP_BYTES)
        if last == first:
            last += 1
            if statements.kind(first) == SILENT:
                first = last
                continue
        yield first, last
        first = last


def _send(
    connection: Connection, statements: LargeStatements, window: Window, which: tuple[int, int]
) -> None:
    first, last = which
    start, end = (place - window.offset for place in statements.bounds(first, last))
    data = window.data[start:end]
    if last == first + 1:
        data = statements.statement(first, data).command.encode()
    try:
        connection.wait(_run(connection.pgconn, data, connection.info.encoding))
    except _Refused as refused:
        raise _located(statements, (first, last), refused, data) from refused.error


def _run(pgconn: PGconn, data: bytes, encoding: str) -> Generator[Any, Any, None]:
    """Send one message and read what the server says to each statement, without keeping it."""
    pgconn.send_query(data)
    yield from generators.send(pgconn)
    done, failure = 0, None
    is_busy, get_result = pgconn.is_busy, pgconn.get_result
    while True:
        # Most of many results are there already: no need to look at the socket for each.
        while is_busy():
            yield Wait.R
            pgconn.consume_input()
        result = get_result()
        if result is None:
            break
        status = result.status
        if status == _MOSTLY or status in _DONE:
            done += 1
        elif failure is None:
            failure = _Refused(done, error_from_result(result, encoding=encoding))
    if failure is not None:
        raise failure


def _located(
    statements: LargeStatements, which: tuple[int, int], refused: _Refused, data: bytes
) -> StatementError:
    """Return the error at its place: positions that the server tells count from what was sent."""
    first, last = which
    number = min(first + refused.done, last - 1)
    one = statements.at(number)
    start, _ = statements.bounds(first, last)
    begins, _ = statements.bounds(number, number + 1)
    text = data.decode()
    offset = len(data[: begins - start].decode())
    sent = Statement(text=text, offset=0, first=offset + one.first)
    before = statements.place(start)
    return from_database(statements.path, text, sent, refused.error, NOTHING, before)
