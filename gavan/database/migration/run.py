"""Run one migration file, up or down: in one transaction with its history row, with retries.

Stands below ``apply`` and ``take_back``, which choose the files; above the history.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
from psycopg import errors as pg

from gavan.database.migration import history
from gavan.database.migration.errors import NOTHING, from_database
from gavan.database.migration.history import Connection, Record
from gavan.database.migration.parsed import Direction, Parsed, needs_no_transaction
from gavan.database.migration.split import Statement, checksum
from gavan.database.migration.unfinished import clear, is_finished
from gavan.kit.errors import GavanError

_RETRIED = (pg.LockNotAvailable, pg.SerializationFailure, pg.DeadlockDetected)
# A procedure or a block may end transactions itself, and then refuses to be in one.
_MAY_COMMIT = frozenset({"call", "do"})
FIRST_DELAY_S = 0.5
_MEANWHILE = {
    Direction.UP: "applied by another tool meanwhile",
    Direction.DOWN: "taken back by another tool meanwhile",
}

Report = Callable[[str, str, str], None]
"""Hears (step, state, detail): states start, ok, warn, skip, fail."""


def silent(_step: str, _state: str, _detail: str) -> None:
    """A report that nobody reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to apply: limits in Postgres' own notation, ``wait_s`` in seconds."""

    lock_timeout: str = "4s"
    statement_timeout: str = "0"
    retries: int = 3
    order: str = "strict"
    wait_s: float = 60.0
    report: Report = field(default=silent)


def run_file(connection: Connection, parsed: Parsed, options: Options) -> bool:
    """Run one file with retries; False when another tool did the same meanwhile.

    Raises StatementError for a statement that failed, GavanError GV314 when its locks were not
    free in time; nothing of a file with a transaction is left then.
    """
    step = _step(parsed)
    options.report(step, "start", "")
    delay_s = FIRST_DELAY_S
    for attempt in range(options.retries + 1):
        started = time.monotonic()
        try:
            connection.execute("reset all")
            _end_with_the_client(connection)
            if parsed.is_outside:
                _run_outside(connection, parsed, started)
            else:
                _run_inside(connection, parsed, options, started)
        except (*_RETRIED, pg.UniqueViolation, GavanError) as error:
            if _is_done(connection, parsed):
                options.report(step, "ok", _MEANWHILE[parsed.direction])
                return False
            if isinstance(error, GavanError) or attempt == options.retries:
                options.report(step, "fail", "")
                raise _final(parsed, error) from error
            options.report(step, "warn", f"{_reason(error)}; again in {delay_s:.1f} s")
            time.sleep(delay_s * random.uniform(0.8, 1.2))  # noqa: S311 - spreads two runners
            delay_s *= 2
        else:
            options.report(step, "ok", "")
            return True
    raise AssertionError("the last attempt returns or raises")


def run_statement(
    connection: Connection, path: Path, text: str, statement: Statement, left: str = NOTHING
) -> None:
    """Run one statement of a file; raise StatementError unless a retry may help."""
    if statement.is_comment:
        return  # a comment in the history, nothing for the server
    try:
        connection.execute(statement.text.encode())
    except _RETRIED:
        raise
    except psycopg.Error as error:
        raise from_database(path, text, statement, error, left) from error


def limit_transaction(connection: Connection, lock_timeout: str, statement_timeout: str) -> None:
    """Set the limits of the transaction that was just begun."""
    for name, value in (
        ("lock_timeout", lock_timeout),
        ("statement_timeout", statement_timeout),
        ("idle_in_transaction_session_timeout", "10min"),
    ):
        connection.execute("select set_config(%s, %s, true)", (name, value))


def _end_with_the_client(connection: Connection) -> None:
    """Let a long statement end a second after its runner was killed; the next run finds it over."""
    connection.execute(
        "select set_config(name, '1000', false) from pg_settings"
        " where name = 'client_connection_check_interval'"
    )


def _step(parsed: Parsed) -> str:
    name = parsed.file.path.name
    return name if parsed.direction is Direction.UP else f"down/{name}"


def _run_inside(connection: Connection, parsed: Parsed, options: Options, started: float) -> None:
    with connection.transaction():
        limit_transaction(connection, options.lock_timeout, options.statement_timeout)
        for statement in parsed.statements:
            run_statement(connection, parsed.file.path, parsed.file.text, statement)
        _write_history(connection, parsed, started)


def _run_outside(connection: Connection, parsed: Parsed, started: float) -> None:
    """Run statement by statement, each once: a crash or a failure resumes where it stopped.

    What can be in a transaction is in one with its line of the journal. Of the others the journal
    says that they began, and after a crash the catalogue whether they ended.
    """
    done, begun = history.read_journal(connection, _record(parsed, started))
    for number, statement in enumerate(parsed.statements, start=1):
        if number <= done:
            if statement.first_word == "set":
                # A setting of the session, which ended with the run before.
                _run_one(connection, parsed, number)
            continue
        finished = _record(parsed, started, outcome="partial", statement_no=number)
        if needs_no_transaction(statement):
            looks_finished = is_finished(connection, statement)
            if not looks_finished:
                # Not where its work is there already: then it is not ours, now or after a crash.
                history.insert_log(connection, replace(finished, outcome="started"))
            if not (number == begun and looks_finished):
                clear(connection, statement)
                _run_one(connection, parsed, number)
            history.insert_log(connection, finished)
        elif statement.first_word in _MAY_COMMIT:
            _run_one(connection, parsed, number)
            history.insert_log(connection, finished)
        else:
            with connection.transaction():
                _run_one(connection, parsed, number)
                history.insert_log(connection, finished)
    with connection.transaction():
        _write_history(connection, parsed, started)


def _run_one(connection: Connection, parsed: Parsed, number: int) -> None:
    file = parsed.file
    left = f"{number - 1} statements before it stay, the next run goes on with this one"
    run_statement(connection, file.path, file.text, parsed.statements[number - 1], left)


def _write_history(connection: Connection, parsed: Parsed, started: float) -> None:
    # A file may have changed role, search_path or timeouts; the record is ours again.
    connection.execute("reset role")
    record = _record(parsed, started)
    if parsed.direction is Direction.UP:
        history.insert_applied(connection, record)
    else:
        history.delete_applied(connection, record.version)
    history.insert_log(connection, record)


def _record(
    parsed: Parsed, started: float, *, outcome: str = "applied", statement_no: int | None = None
) -> Record:
    texts = parsed.texts
    return Record(
        version=parsed.file.version,
        name=parsed.file.name,
        statements=texts,
        text=parsed.file.text,
        checksum=checksum(texts),
        duration_ms=round((time.monotonic() - started) * 1000),
        direction=parsed.direction,
        outcome=outcome,
        statement_no=len(texts) if statement_no is None else statement_no,
    )


def _is_done(connection: Connection, parsed: Parsed) -> bool:
    version = parsed.file.version
    is_applied = any(row.version == version for row in history.read_applied(connection))
    return is_applied is (parsed.direction is Direction.UP)


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0]


def _final(parsed: Parsed, error: Exception) -> GavanError:
    """Return the failure that ends the run."""
    if isinstance(error, GavanError):
        return error
    failure = GavanError(
        "GV314",
        f"migration {_step(parsed)} could not get its locks: {_reason(error)}",
        details="what was done of it stays, the next run goes on from there"
        if parsed.is_outside
        else "nothing of this file was done; the files before it are",
        hint='see who holds them: gavan db query "select pid, state, query from pg_stat_activity"',
        exit_code=4,
    )
    failure.where = f"{parsed.file.path}:1:1"
    return failure
