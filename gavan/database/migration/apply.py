"""Apply migration files: each in one transaction, statement by statement, with its history row.

Stands on the files, the split, the history and the lock; ``migrate`` is the one door for the CLI.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import errors as pg
from psycopg import sql

from gavan.database.migration import history
from gavan.database.migration.errors import from_database, from_split
from gavan.database.migration.files import MigrationFile, read_migrations
from gavan.database.migration.history import Connection, Record
from gavan.database.migration.lock import connect, migration_lock
from gavan.database.migration.plan import Entry, compare, pending
from gavan.database.migration.split import SplitError, Statement, checksum, split
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

NO_TRANSACTION = "no-transaction"
_ALWAYS_OUTSIDE = {
    "AlterSystemStmt", "CreatedbStmt", "CreateTableSpaceStmt", "DropTableSpaceStmt",
    "DropdbStmt", "VacuumStmt",
}  # fmt: skip
_SAVEPOINTS = {"TRANS_STMT_SAVEPOINT", "TRANS_STMT_RELEASE", "TRANS_STMT_ROLLBACK_TO"}
_CONCURRENTLY = {"IndexStmt", "DropStmt"}
_OUTSIDE_WORDS = re.compile(
    r"\b(?:concurrently|vacuum|system|database|tablespace)\b", re.IGNORECASE
)
_ENDS_TRANSACTION = {"abort", "begin", "commit", "end", "prepare", "rollback", "start"}
_RETRIED = (pg.LockNotAvailable, pg.SerializationFailure, pg.DeadlockDetected)
FIRST_DELAY_S = 0.5

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A file that is known to parse."""

    file: MigrationFile
    statements: Sequence[Statement]

    @property
    def texts(self) -> list[str]:
        return [statement.text for statement in self.statements]

    @property
    def is_outside(self) -> bool:
        """Whether it runs without a transaction: marked, or nothing else is possible."""
        real = [statement for statement in self.statements if not statement.is_comment]
        marked = NO_TRANSACTION in self.file.directives
        return marked or (bool(real) and all(map(_needs_no_transaction, real)))


def migrate(url: Secret, folder: Path, options: Options) -> list[str]:
    """Apply what is pending in ``folder`` as the role of ``url``; return the versions applied.

    All files are parsed before the first is applied. Raises GavanError: GV301-GV307 for files,
    GV308-GV310 for history, GV313 lock, GV321 no connection, and StatementError at file:line:column
    for a statement that failed; the files before it stay applied, nothing of its own file does.
    """
    files = read_migrations(folder)
    with (
        migration_lock(
            url, wait_s=options.wait_s, waiting=lambda who: options.report("lock", "warn", who)
        ),
        connect(url, "migrate") as connection,
    ):
        parsed = [parse(file) for file in _pending(connection, files, options)]
        if parsed:
            history.create_tables(connection)
        applied = [one.file.version for one in parsed if _apply(connection, one, options)]
        if applied:
            connection.execute("notify pgrst, 'reload schema'")
    return applied


def status(url: Secret, folder: Path) -> list[Entry]:
    """Return the verdict on every version; reads only."""
    files = read_migrations(folder)
    with connect(url, "status") as connection:
        return compare(files, history.read_applied(connection))


def parse(file: MigrationFile) -> Parsed:
    """Split a file; raise StatementError where it does not parse or ends the transaction itself."""
    try:
        statements = split(file.text)
    except SplitError as error:
        raise from_split(file.path, file.text, error) from None
    for statement in statements:
        if statement.first_word in _ENDS_TRANSACTION and _is_transaction_command(statement):
            problem = SplitError("a migration is one transaction already", statement.first)
            raised = from_split(file.path, file.text, problem)
            raised.hint = "remove BEGIN, COMMIT and ROLLBACK from the file"
            raise raised
    return Parsed(file=file, statements=statements)


def run_statement(connection: Connection, path: Path, text: str, statement: Statement) -> None:
    """Run one statement of a file; raise StatementError unless a retry may help."""
    if statement.is_comment:
        return  # a comment in the history, nothing for the server
    try:
        connection.execute(statement.text.encode())
    except _RETRIED:
        raise
    except psycopg.Error as error:
        raise from_database(path, text, statement, error) from error


def limit_transaction(connection: Connection, lock_timeout: str, statement_timeout: str) -> None:
    """Set the limits of the transaction that was just begun."""
    for name, value in (
        ("lock_timeout", lock_timeout),
        ("statement_timeout", statement_timeout),
        ("idle_in_transaction_session_timeout", "10min"),
    ):
        connection.execute("select set_config(%s, %s, true)", (name, value))


def _pending(
    connection: Connection, files: list[MigrationFile], options: Options
) -> list[MigrationFile]:
    return pending(compare(files, history.read_applied(connection)), order=options.order)


def _apply(connection: Connection, parsed: Parsed, options: Options) -> bool:
    """Apply one file with retries; False when another tool applied it meanwhile."""
    step = parsed.file.path.name
    options.report(step, "start", "")
    delay_s = FIRST_DELAY_S
    for attempt in range(options.retries + 1):
        started = time.monotonic()
        try:
            connection.execute("reset all")
            if parsed.is_outside:
                _run_outside(connection, parsed, started)
            else:
                _run_inside(connection, parsed, options, started)
        except (*_RETRIED, pg.UniqueViolation, GavanError) as error:
            if _is_applied(connection, parsed.file.version):
                options.report(step, "ok", "applied by another tool meanwhile")
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


def _run_inside(connection: Connection, parsed: Parsed, options: Options, started: float) -> None:
    with connection.transaction():
        limit_transaction(connection, options.lock_timeout, options.statement_timeout)
        for statement in parsed.statements:
            run_statement(connection, parsed.file.path, parsed.file.text, statement)
        # A file may have changed role, search_path or timeouts; the record is ours again.
        connection.execute("reset role")
        record = _record(parsed, started)
        history.insert_applied(connection, record)
        history.insert_log(connection, record)


def _run_outside(connection: Connection, parsed: Parsed, started: float) -> None:
    """Run statement by statement; each one done is journaled, so that a crash resumes there."""
    path, text = parsed.file.path, parsed.file.text
    first = history.statements_done(connection, parsed.file.version, checksum(parsed.texts))
    for number, statement in enumerate(parsed.statements, start=1):
        if number <= first:
            continue
        _drop_invalid_index(connection, statement)
        run_statement(connection, path, text, statement)
        done = _record(parsed, started, outcome="partial", statement_no=number)
        history.insert_log(connection, done)
    record = _record(parsed, started)
    with connection.transaction():
        history.insert_applied(connection, record)
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
        outcome=outcome,
        statement_no=len(texts) if statement_no is None else statement_no,
    )


def _drop_invalid_index(connection: Connection, statement: Statement) -> None:
    """Drop what a failed CREATE INDEX CONCURRENTLY left; IF NOT EXISTS would take it for good."""
    if not _needs_no_transaction(statement) or statement.first_word != "create":
        return
    tree = statement.tree()
    if type(tree).__name__ != "IndexStmt" or not tree.idxname:
        return
    row = connection.execute(
        "select n.nspname from pg_index as i join pg_class as c on c.oid = i.indexrelid"
        " join pg_namespace as n on n.oid = c.relnamespace"
        " where c.relname = %s and not i.indisvalid and pg_table_is_visible(i.indexrelid)",
        (tree.idxname,),
    ).fetchone()
    if row is not None:
        name = sql.Identifier(str(row[0]), str(tree.idxname))
        connection.execute(sql.SQL("drop index concurrently {}").format(name))


def _needs_no_transaction(statement: Statement) -> bool:
    if not _OUTSIDE_WORDS.search(statement.text):
        return False
    tree = statement.tree()
    kind = type(tree).__name__
    if kind in _ALWAYS_OUTSIDE:
        return kind != "VacuumStmt" or bool(tree.is_vacuumcmd)
    if kind == "ReindexStmt":
        return any(option.defname == "concurrently" for option in tree.params or ())
    return kind in _CONCURRENTLY and bool(tree.concurrent)


def _is_transaction_command(statement: Statement) -> bool:
    tree = statement.tree()
    return type(tree).__name__ == "TransactionStmt" and tree.kind.name not in _SAVEPOINTS


def _is_applied(connection: Connection, version: str) -> bool:
    return any(row.version == version for row in history.read_applied(connection))


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0]


def _final(parsed: Parsed, error: Exception) -> GavanError:
    """Return the failure that ends the run."""
    if isinstance(error, GavanError):
        return error
    failure = GavanError(
        "GV314",
        f"migration {parsed.file.path.name} could not get its locks: {_reason(error)}",
        details="nothing of this file was applied; the files before it are",
        hint='see who holds them: gavan db query "select pid, state, query from pg_stat_activity"',
        exit_code=4,
    )
    failure.where = f"{parsed.file.path}:1:1"
    return failure
