"""Send a whole transaction to the server at once: one round trip for a migration file.

Stands beside the runner. The server goes from one command to the next by itself and skips all that
follow a refused one, so nothing is committed then. psycopg's own pipeline looks at the socket after
every command; here everything is written first.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, LiteralString

import psycopg
from psycopg import generators, pq
from psycopg.errors import error_from_result
from psycopg.waiting import Wait

from gavan.database.migration.history import Connection
from gavan.database.migration.large import LENGTH, array_head
from gavan.database.migration.split import Statement

MOST = 500
"""Commands on the way at a time: their results wait in memory."""
_ANY, _TEXT_ARRAY = 0, 1009
_DONE = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK, pq.ExecStatus.EMPTY_QUERY)


class RefusedError(Exception):
    """The server refused a statement of the file, for the reason in ``error``.

    ``statement`` is None for a command of the runner between the beginning and the end.
    """

    def __init__(self, statement: Statement | None, error: psycopg.Error) -> None:
        super().__init__(str(error))
        self.statement = statement
        self.error = error


@dataclass(frozen=True, slots=True)
class _Value:
    """A value as libpq takes it; the server knows the type of a text from where it goes."""

    data: bytes | None
    type_oid: int = _ANY
    format: pq.Format = pq.Format.TEXT


@dataclass(frozen=True, slots=True)
class _Command:
    text: bytes
    statement: Statement | None = None
    values: Sequence[_Value] = ()


class Outbox:
    """Takes commands as a connection does, and sends them all in the end."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._commands: list[_Command] = []

    def execute(self, command: LiteralString, values: Sequence[Any] = ()) -> None:
        """Take a command of the runner itself; its values go beside it."""
        bound = [_bound(value) for value in values]
        self._commands.append(_Command(_numbered(command), values=bound))

    def add(self, statement: Statement) -> None:
        """Take a statement of the file."""
        self._commands.append(_Command(statement.command.encode(), statement))

    def send(self) -> None:
        """Run the commands, which begin and end a transaction; it is rolled back for an error.

        Raises RefusedError, or psycopg.Error for the last command, which keeps all.
        """
        for start in range(0, len(self._commands), MOST):
            part = self._commands[start : start + MOST]
            refused = self._connection.wait(self._exchange(part))
            if refused is not None:
                self._connection.execute("rollback")
                number, error = refused
                is_last = start + number == len(self._commands) - 1
                raise error if is_last else RefusedError(part[number].statement, error)

    def _exchange(
        self, commands: Sequence[_Command]
    ) -> Generator[Any, Any, tuple[int, psycopg.Error] | None]:
        """Return which command was refused, and why."""
        pgconn, encoding = self._connection.pgconn, self._connection.info.encoding
        pgconn.enter_pipeline_mode()
        for command in commands:
            pgconn.send_query_params(
                command.text,
                [value.data for value in command.values],
                [value.type_oid for value in command.values],
                [value.format for value in command.values],
            )
        pgconn.pipeline_sync()
        yield from generators.send(pgconn)
        done, refused = 0, None
        while True:
            while pgconn.is_busy():
                yield Wait.R
                pgconn.consume_input()
            result = pgconn.get_result()
            if result is None:
                continue  # the end of one command
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                break
            if result.status in _DONE:
                done += 1
            elif refused is None:
                refused = done, error_from_result(result, encoding=encoding)
        pgconn.exit_pipeline_mode()
        return refused


@cache
def _numbered(command: LiteralString) -> bytes:
    """Return a command with the server's own marks, `$1`, for ``%s``."""
    first, *others = command.split("%s")
    return "".join([first, *(f"${at}{part}" for at, part in enumerate(others, start=1))]).encode()


def _bound(value: str | int | list[str] | None) -> _Value:
    if value is None:
        return _Value(None)
    if isinstance(value, list):
        elements = [one.encode() for one in value]
        sized = (part for one in elements for part in (LENGTH.pack(len(one)), one))
        head = array_head(len(elements))
        return _Value(b"".join([head, *sized]), _TEXT_ARRAY, pq.Format.BINARY)
    return _Value(str(value).encode())
