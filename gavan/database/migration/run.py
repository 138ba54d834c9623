"""Run one migration file, up or down: in one transaction with its history row, with retries.

Stands below ``apply`` and ``take_back``, which choose the files; above the history.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg

from gavan.database.migration import history
from gavan.database.migration.blockers import Blockers, end_blockers
from gavan.database.migration.bulk import copy_applied, send
from gavan.database.migration.errors import (
    NOTHING,
    StatementError,
    from_commit,
    from_database,
    from_history,
)
from gavan.database.migration.files import Phase
from gavan.database.migration.history import Connection, Executes, Record
from gavan.database.migration.large import ROWS, SINGLE
from gavan.database.migration.parsed import Direction, Parsed, needs_no_transaction
from gavan.database.migration.split import Statement, checksum
from gavan.database.migration.together import Outbox, RefusedError
from gavan.database.migration.unfinished import clear, is_finished
from gavan.kit.errors import GavanError

# A lock that did not come in time, a transaction that lost against another one.
_RETRIED = frozenset({"55P03", "40001", "40P01"})
# A procedure or a block may end transactions itself, and then refuses to be in one.
_MAY_COMMIT = frozenset({"call", "do"})
FIRST_DELAY_S = 0.5
_LOOKS_FOR_CLIENT = 140_000
_IN_TRANSACTION = "25001"
_ENCODING = "client_encoding"
_MEANWHILE = {
    Direction.UP: "applied by another tool meanwhile",
    Direction.DOWN: "taken back by another tool meanwhile",
}

Report = Callable[[str, str, str], None]
"""Hears (step, state, detail): states start, ok, warn, skip, fail."""
Gate = Callable[[Connection, Sequence[Parsed]], None]
"""Sees what is about to be applied, with the lock held; stops it by raising GavanError."""


def silent(_step: str, _state: str, _detail: str) -> None:
    """A report that nobody reads."""


def open_gate(_connection: Connection, _plan: Sequence[Parsed]) -> None:
    """A gate that lets everything pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to apply and how: limits in Postgres' own notation, ``wait_s`` in seconds.

    ``to`` is the last version, ``phase`` the only phase; None: all that is pending.
    ``kill_blockers``: end the sessions that kept a file from its locks before it is tried again.
    """

    lock_timeout: str = "4s"
    statement_timeout: str = "0"
    retries: int = 3
    order: str = "strict"
    wait_s: float = 60.0
    to: str | None = None
    phase: Phase | None = None
    kill_blockers: bool = False
    report: Report = field(default=silent)
    gate: Gate = field(default=open_gate)


def run_file(connection: Connection, parsed: Parsed, options: Options) -> bool:
    """Run one file with retries; False when another tool did the same meanwhile.

    Raises StatementError for a statement that failed, GavanError GV314 when its locks were not
    free in time; nothing of a file with a transaction is left then. GV338 when the connection ended
    on the way.
    """
    step = _step(parsed)
    options.report(step, "start", "")
    delay_s = FIRST_DELAY_S
    for attempt in range(options.retries + 1):
        blockers = Blockers(connection)
        try:
            with blockers:
                _run(connection, parsed, options)
        except (psycopg.Error, GavanError) as error:
            if connection.closed:
                options.report(step, "fail", "")
                raise _cut_off(parsed, error) from error
            if _is_done(connection, parsed):
                options.report(step, "ok", _MEANWHILE[parsed.direction])
                return False
            if not _may_pass(error) or attempt == options.retries:
                options.report(step, "fail", "")
                raise _final(parsed, error, blockers.seen) from error
            reason = "; ".join([_reason(error), *blockers.seen])
            options.report(step, "warn", f"{reason}; again in {delay_s:.1f} s")
            if options.kill_blockers:
                for line in end_blockers(connection, blockers.backends):
                    options.report(step, "warn", line)
            time.sleep(delay_s * random.uniform(0.8, 1.2))  # noqa: S311 - spreads two runners
            delay_s *= 2
        else:
            options.report(step, "ok", "")
            return True
    raise AssertionError("the last attempt returns or raises")


def _run(connection: Connection, parsed: Parsed, options: Options) -> None:
    server_version = connection.info.server_version
    if parsed.is_outside:
        _begin_anew(connection, server_version)
        _run_outside(connection, parsed, options)
    elif _goes_together(parsed):
        outbox = Outbox(connection)
        _begin_anew(outbox, server_version)
        _run_together(outbox, parsed, options)
    else:
        _begin_anew(connection, server_version)
        _run_inside(connection, parsed, options)


def _goes_together(parsed: Parsed) -> bool:
    # Taking back must see that there was a row to remove, before it is removed for good.
    is_up = parsed.direction is Direction.UP
    return is_up and parsed.large is None


def run_statement(
    connection: Connection, path: Path, text: str, statement: Statement, left: str = NOTHING
) -> None:
    """Run one statement of a file; raise StatementError when the server refuses it."""
    if not statement.is_run:
        return
    try:
        connection.execute(statement.command.encode())
    except psycopg.Error as error:
        raise from_database(path, text, statement, error, left) from error


def run_statements(connection: Connection, parsed: Parsed) -> None:
    """Run all of a file in the transaction of ``connection``; raises as ``run_statement`` does."""
    if parsed.large is not None:
        send(connection, parsed.large)
        return
    for statement in parsed.statements:
        run_statement(connection, parsed.file.path, parsed.file.text, statement)


def limit_transaction(connection: Executes, lock_timeout: str, statement_timeout: str) -> None:
    """Set the limits of the transaction that was just begun."""
    connection.execute(
        "select set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true),"
        " set_config('idle_in_transaction_session_timeout', '10min', true)",
        (lock_timeout, statement_timeout),
    )


def _lock_timeout(parsed: Parsed, options: Options) -> str:
    return parsed.file.lock_timeout or options.lock_timeout


def _begin_anew(connection: Executes, server_version: int) -> None:
    """Take back what the file before set, and what this file must not outlive: its runner."""
    connection.execute("reset all")
    # A long statement ends a second after its runner was killed; the next run finds it over.
    if server_version >= _LOOKS_FOR_CLIENT:
        connection.execute("set client_connection_check_interval = 1000")


def _step(parsed: Parsed) -> str:
    name = parsed.file.path.name
    return name if parsed.direction is Direction.UP else f"down/{name}"


def _run_inside(connection: Connection, parsed: Parsed, options: Options) -> None:
    with kept(parsed), connection.transaction():
        limit_transaction(connection, _lock_timeout(parsed, options), options.statement_timeout)
        run_statements(connection, parsed)
        _write_history(connection, parsed)


def _run_together(outbox: Outbox, parsed: Parsed, options: Options) -> None:
    """Do what ``_run_inside`` does in one round trip."""
    outbox.execute("begin")
    limit_transaction(outbox, _lock_timeout(parsed, options), options.statement_timeout)
    for statement in parsed.statements:
        if statement.is_run:
            outbox.add(statement)
    _become_ourselves(outbox, parsed)
    record = _record(parsed)
    history.insert_applied(outbox, record)
    history.insert_log(outbox, record)
    outbox.execute("commit")
    try:
        with kept(parsed):
            outbox.send()
    except RefusedError as refused:
        file, error = parsed.file, refused.error
        if refused.statement is None:
            raise from_history(error, NOTHING) from error
        raise from_database(file.path, file.text, refused.statement, error) from error


def _run_outside(connection: Connection, parsed: Parsed, options: Options) -> None:
    """Run statement by statement, each once: a crash or a failure resumes where it stopped.

    What can be in a transaction is in one with its line of the journal. Of the others the journal
    says that they began, and after a crash the catalogue whether they ended.
    """
    started = time.monotonic()
    base = _record(parsed)
    done, begun = history.read_journal(connection, base)
    for number, statement in enumerate(parsed.statements, start=1):
        if number <= done:
            if statement.first_word == "set":
                # A setting of the session, which ended with the run before.
                _run_one(connection, parsed, number)
            continue
        finished = replace(
            base, duration_ms=_since(started), outcome="partial", statement_no=number
        )
        if needs_no_transaction(statement):
            _run_alone(connection, parsed, finished, has_begun=number == begun)
        elif statement.first_word in _MAY_COMMIT:
            _run_one(connection, parsed, number)
            _journal(connection, finished)
        else:
            _run_kept(connection, parsed, finished, _lock_timeout(parsed, options))
    with connection.transaction():
        _write_history(connection, parsed, _since(started))


def _run_alone(
    connection: Connection, parsed: Parsed, finished: Record, *, has_begun: bool
) -> None:
    """Run a statement that can be in no transaction; ``finished`` is its line of the journal."""
    number = finished.statement_no
    statement = parsed.statements[number - 1]
    looks_finished = is_finished(connection, statement)
    if not looks_finished:
        # Not where its work is there already: then it is not ours, now or after a crash.
        _journal(connection, replace(finished, outcome="started"))
    if not (has_begun and looks_finished):
        clear(connection, statement)
        _run_one(connection, parsed, number)
    _journal(connection, finished)


def _run_kept(connection: Connection, parsed: Parsed, finished: Record, lock_timeout: str) -> None:
    """Run a statement in one transaction with its line of the journal.

    It waits for its locks as long as one of any other file, unless the file says how long. What
    can be in no transaction stands in nobody's way while it waits, and waits for good.
    """
    number = finished.statement_no
    try:
        with (
            kept(parsed, parsed.statements[number - 1], _left(number)),
            connection.transaction(),
        ):
            connection.execute(
                "select set_config('lock_timeout', %s, true)"
                " where current_setting('lock_timeout') = '0'",
                (lock_timeout,),
            )
            _run_one(connection, parsed, number)
            _journal(connection, finished)
    except StatementError as error:
        if error.sqlstate != _IN_TRANSACTION:
            raise
        # One of those that only the server knows, as what makes a subscription with its slot.
        _run_alone(connection, parsed, finished, has_begun=False)


def _journal(connection: Connection, record: Record) -> None:
    """Write a line as ourselves; what the file has set holds for its next statement again."""
    with recorded(_left(record.statement_no)), connection.transaction():
        connection.execute("set local role none")
        connection.execute("set local client_encoding to 'UTF8'")
        history.insert_log(connection, record)


def _run_one(connection: Connection, parsed: Parsed, number: int) -> None:
    file = parsed.file
    run_statement(connection, file.path, file.text, parsed.statements[number - 1], _left(number))


def _left(number: int) -> str:
    return f"{number - 1} statements before it stay, the next run goes on with this one"


@contextmanager
def kept(parsed: Parsed, last: Statement | None = None, left: str = NOTHING) -> Iterator[None]:
    """Around a transaction of a file: say where in it is what the server refuses at its end."""
    try:
        yield
    except psycopg.Error as error:
        raise _from_commit(parsed, error, last, left) from error


@contextmanager
def recorded(left: str = NOTHING) -> Iterator[None]:
    """Around what we write into the history: say so where the server refuses it."""
    try:
        yield
    except psycopg.Error as error:
        raise from_history(error, left) from error


def _become_ourselves(connection: Executes, parsed: Parsed) -> None:
    """Take back what a file may have set, for the record of it."""
    connection.execute("reset role")
    if _ENCODING in (parsed.file.held or "").lower():
        connection.execute("set client_encoding to 'UTF8'")


def _from_commit(
    parsed: Parsed, error: psycopg.Error, last: Statement | None = None, left: str = NOTHING
) -> StatementError:
    path, large = parsed.file.path, parsed.large
    if large is None:
        last = last or next((one for one in reversed(parsed.statements) if one.is_run), None)
        return from_commit(path, parsed.file.text, last, error, left)
    number = max((*large.numbers(ROWS), *large.numbers(SINGLE)), default=0)
    before = large.place(large.bounds(number, number + 1)[0])
    return from_commit(path, large.at(number).text, large.at(number), error, before=before)


def _write_history(connection: Connection, parsed: Parsed, duration_ms: int | None = None) -> None:
    """Write the row and the line of the log; ``duration_ms``: since its transaction began."""
    record = replace(_record(parsed), duration_ms=duration_ms)
    with recorded():
        _become_ourselves(connection, parsed)
        if parsed.direction is Direction.UP and parsed.large is not None:
            made = copy_applied(connection, record.version, record.name, parsed.large)
            record = replace(record, checksum=made)
        elif parsed.direction is Direction.UP:
            history.insert_applied(connection, record)
        else:
            history.delete_applied(connection, record.version)
        history.insert_log(connection, record)


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def _record(parsed: Parsed) -> Record:
    texts = [] if parsed.large else parsed.texts
    return Record(
        version=parsed.file.version,
        name=parsed.file.name,
        statements=texts,
        text=parsed.file.held or "",
        # Of a large file it is known when its row is written.
        checksum="" if parsed.large else checksum(texts),
        raw_sha256=parsed.large.raw_sha256 if parsed.large else None,
        duration_ms=None,
        direction=parsed.direction,
        statement_no=len(parsed.statements),
        phase=parsed.file.phase,
    )


def _is_done(connection: Connection, parsed: Parsed) -> bool:
    version = parsed.file.version
    is_applied = any(row.version == version for row in history.read_applied(connection))
    return is_applied is (parsed.direction is Direction.UP)


def _may_pass(error: Exception) -> bool:
    """Tell whether the same file may succeed when it is run again."""
    return isinstance(error, StatementError) and error.sqlstate in _RETRIED


def _reason(error: Exception) -> str:
    return error.message if isinstance(error, GavanError) else str(error).splitlines()[0]


def _final(
    parsed: Parsed, error: psycopg.Error | GavanError, blockers: Sequence[str]
) -> GavanError:
    """Return the failure that ends the run; ``blockers`` are whom it waited for."""
    if isinstance(error, psycopg.Error):
        return _from_commit(parsed, error)
    if not _may_pass(error):
        error.where = error.where or f"{parsed.file.path}:1:1"
        return error
    left = (
        "what was done of it stays, the next run goes on from there"
        if parsed.is_outside
        else "nothing of this file was done; the files before it are"
    )
    failure = GavanError(
        "GV314",
        f"migration {_step(parsed)} could not get its locks: {_reason(error)}",
        details="\n".join([left, *blockers]),
        hint='see who holds them: gavan db query "select pid, state, query from pg_stat_activity"',
        exit_code=4,
    )
    failure.where = error.where
    return failure


def _cut_off(parsed: Parsed, error: psycopg.Error | GavanError) -> GavanError:
    """Return the failure of a run whose connection ended; the server alone knows how far it got."""
    failure = GavanError(
        "GV338",
        f"the connection to the database ended while {_step(parsed)} ran",
        details=f"{_reason(error)}; the files before it are done, it itself is done or not at all"
        if not parsed.is_outside
        else f"{_reason(error)}; the next run goes on where it stopped",
        hint="look: gavan migrate status; then again: gavan migrate up",
        exit_code=3,
    )
    failure.where = error.where if isinstance(error, GavanError) else f"{parsed.file.path}:1:1"
    return failure
