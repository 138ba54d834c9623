"""What a database says was applied: the supabase CLI's tables, and our own log beside them.

Stands below the runner. ``supabase_migrations`` is the truth and is written exactly as the CLI
writes it (supabase/cli:apps/cli-go/pkg/migration/history.go); ``gavan.migration_log`` holds what
those tables cannot.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, LiteralString, Protocol

import psycopg

from gavan.database.migration.errors import from_history
from gavan.database.migration.files import LARGE_BYTES
from gavan.kit.errors import GavanError
from gavan.kit.version import VERSION

Connection = psycopg.Connection[tuple[Any, ...]]


class Executes(Protocol):
    """What takes a command: a connection, or what gathers them for one."""

    def execute(self, command: LiteralString, values: Sequence[Any] = (), /) -> object: ...


# Column by column like the CLI: it adds statements and name to tables of older versions.
CREATE_HISTORY = (
    "create schema if not exists supabase_migrations",
    "create table if not exists supabase_migrations.schema_migrations"
    " (version text not null primary key)",
    "alter table supabase_migrations.schema_migrations add column if not exists statements text[]",
    "alter table supabase_migrations.schema_migrations add column if not exists name text",
)
# Of a large row the digest alone; how it is stored tells, without reading it, which may be large.
_READ_APPLIED = """
with history as materialized (
    select version, name, statements,
        coalesce(pg_column_size(statements) > 32768
            and octet_length(array_send(statements)) > %s, false) as is_large
    from supabase_migrations.schema_migrations
)
select version, coalesce(name, ''), case when not is_large then statements end,
    case when is_large then encode(sha256(array_send(statements)), 'hex') end
from history where version is not null order by version collate "C"
"""
# As old versions of the CLI made it; who only looks at it does not add what is missing.
_READ_VERSIONS = """
select version, '', null, null from supabase_migrations.schema_migrations
order by version collate "C"
"""
_COLUMNS = """
select attname::text, format_type(atttypid, null) from pg_attribute
where attrelid = to_regclass('supabase_migrations.schema_migrations') and attnum > 0
    and not attisdropped
"""
_TEXTS = ("text", "character varying")
_OURS = frozenset({"version", "statements", "name"})
CREATE_SEEDS = (
    "create schema if not exists supabase_migrations",
    "create table if not exists supabase_migrations.seed_files"
    " (path text not null primary key, hash text not null)",
)
CREATE_LOG = (
    "create schema if not exists gavan",
    """create table if not exists gavan.migration_log (
        id bigint generated always as identity primary key,
        version text not null,
        name text not null,
        checksum text not null,
        raw_sha256 text not null,
        direction text not null check (direction in ('up', 'down')),
        applied_at timestamptz not null default clock_timestamp(),
        applied_by text not null,
        host text not null,
        release text,
        duration_ms integer not null,
        tool text not null,
        phase text,
        statement_no integer not null,
        outcome text not null check (outcome in ('applied', 'partial', 'started')),
        down_sql text,
        backup_id text
    )""",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A row of ``schema_migrations``; ``statements`` is None where another tool left it out.

    It is None too where they are larger than LARGE_BYTES; ``digest`` is then
    `encode(sha256(array_send(statements)), 'hex')`, and ``raw_sha256`` that of the file that our
    log says they are of.
    """

    version: str
    name: str
    statements: list[str] | None
    digest: str | None = None
    raw_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is written when a file is done (or, without a transaction, a statement of it).

    ``text`` and ``statements`` are empty for a large file; ``raw_sha256`` is then given.
    """

    version: str
    name: str
    statements: list[str]
    text: str
    checksum: str
    duration_ms: int | None
    """None: since the transaction began that it is written in."""
    raw_sha256: str | None = None
    direction: str = "up"
    outcome: str = "applied"
    statement_no: int = 0
    tool: str = f"gavan {VERSION}"
    phase: str | None = None


def create_tables(connection: Connection) -> None:
    """Create what is missing of the history, the seeds and the log; raise GavanError GV345."""
    with _permitted():
        _create_missing(connection)
        _let_log_say_started(connection)


@contextmanager
def _permitted() -> Iterator[None]:
    """Say of what this role may not see or make that it is the history."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise from_history(error, "nothing was applied") from error


def _create_missing(connection: Connection) -> None:
    is_whole = _OURS.issubset(_columns(connection))
    missing: list[tuple[LiteralString, ...]] = [] if is_whole else [CREATE_HISTORY]
    missing += [
        statements
        for table, statements in (
            ("supabase_migrations.seed_files", CREATE_SEEDS),
            ("gavan.migration_log", CREATE_LOG),
        )
        if not _exists(connection, table)
    ]
    for statements in missing:
        with connection.transaction():
            for index, statement in enumerate(statements):
                if index == 0 and _schema_exists(connection, statement.rsplit(" ", 1)[1]):
                    # An owner of a schema may lack the right to create schemas.
                    continue
                connection.execute(statement.encode())


def _let_log_say_started(connection: Connection) -> None:
    """Bring the log of an older version of ours up to this one."""
    rows = connection.execute(
        "select 1 from pg_constraint where conrelid = 'gavan.migration_log'::regclass"
        " and conname = 'migration_log_outcome_check'"
        " and position('started' in pg_get_constraintdef(oid)) = 0"
    ).fetchall()
    if rows:
        connection.execute(
            "alter table gavan.migration_log drop constraint migration_log_outcome_check,"
            " add check (outcome in ('applied', 'partial', 'started'))"
        )


def read_applied(connection: Connection) -> list[Applied]:
    """Return the history in the order of versions; empty when there is no table yet.

    Raises GavanError GV345 where this role may not read it, or it is another tool's.
    """
    with _permitted():
        # Asked first: reading what is not there would be an error in the log of the server.
        columns = _columns(connection)
        if not columns:
            return []
        if _OURS.issubset(columns):
            rows = connection.execute(_READ_APPLIED.encode(), (LARGE_BYTES,)).fetchall()
        else:
            rows = connection.execute(_READ_VERSIONS).fetchall()
        made = _read_made(connection) if any(row[3] for row in rows) else {}
    return [
        Applied(
            version=row[0],
            name=row[1],
            statements=None if row[2] is None else [*map(_text, row[2])],
            digest=row[3],
            raw_sha256=made.get((row[0], row[3])),
        )
        for row in rows
    ]


def _columns(connection: Connection) -> set[str]:
    """Return the columns of the history; none when there is no table yet.

    Raises GavanError GV345 for a table that is none of the supabase CLI's.
    """
    types = {str(name): str(kind) for name, kind in connection.execute(_COLUMNS)}
    if types and types.get("version") not in _TEXTS:
        raise GavanError(
            "GV345",
            "supabase_migrations.schema_migrations is not the table that the supabase CLI makes",
            details=f"its column version: {types.get('version', 'none')}, should be text",
            hint="rename it: what is in it was written by another tool",
            exit_code=3,
        )
    return set(types)


def _text(element: object) -> str:
    """Return an element of a row; what no tool writes becomes a text that is no statement."""
    return element if isinstance(element, str) else str(element)


def _read_made(connection: Connection) -> dict[tuple[str, str], str]:
    """Return (version, checksum) -> sha256 of the file that was applied, by our log."""
    if not _exists(connection, "gavan.migration_log"):
        return {}
    rows = connection.execute(
        "select version, checksum, raw_sha256 from gavan.migration_log"
        " where direction = 'up' and outcome = 'applied' order by id"
    )
    return {(str(version), str(checksum)): str(raw) for version, checksum, raw in rows}


def insert_applied(connection: Executes, record: Record) -> None:
    """Write the row of the CLI's table; a twin inserted meanwhile raises UniqueViolation."""
    connection.execute(
        "insert into supabase_migrations.schema_migrations (version, name, statements)"
        " values (%s, %s, %s)",
        (record.version, record.name, record.statements),
    )


def upsert_applied(connection: Connection, record: Record) -> None:
    """Write the row as the CLI's `migration repair --status applied` does, over what is there."""
    connection.execute(
        "insert into supabase_migrations.schema_migrations (version, name, statements)"
        " values (%s, %s, %s) on conflict (version) do update"
        " set name = excluded.name, statements = excluded.statements",
        (record.version, record.name, record.statements),
    )


def forget_applied(connection: Connection, version: str) -> None:
    """Remove the row of the CLI's table, if there is one."""
    connection.execute(
        "delete from supabase_migrations.schema_migrations where version = %s", (version,)
    )


def delete_applied(connection: Connection, version: str) -> None:
    """Remove the row of the CLI's table, as its own `migration repair --status reverted` does.

    Raises GavanError GV326 when another tool removed it meanwhile.
    """
    row = connection.execute(
        "delete from supabase_migrations.schema_migrations where version = %s returning 1",
        (version,),
    ).fetchone()
    if row is None:
        raise GavanError(
            "GV326",
            f"migration {version} was taken back by another tool meanwhile",
            hint="look: gavan migrate status",
            exit_code=4,
        )


def insert_log(connection: Executes, record: Record) -> None:
    """Append to our own log."""
    connection.execute(
        "insert into gavan.migration_log (version, name, checksum, raw_sha256, direction,"
        " applied_by, host, release, duration_ms, tool, statement_no, outcome, down_sql, phase)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s, coalesce(%s, (extract(epoch from"
        " clock_timestamp() - transaction_timestamp()) * 1000)::int), %s, %s, %s, %s, %s)",
        (
            record.version,
            record.name,
            record.checksum,
            record.raw_sha256 or hashlib.sha256(record.text.encode()).hexdigest(),
            record.direction,
            _person(),
            _host(),
            os.environ.get("GAVAN_RELEASE") or None,
            record.duration_ms,
            record.tool,
            record.statement_no,
            record.outcome,
            (record.text or None) if record.direction == "down" else None,
            record.phase,
        ),
    )


def note_backup(connection: Connection, backup_id: str, since: datetime) -> None:
    """Say in the log which backup was made before what was done ``since``."""
    if _exists(connection, "gavan.migration_log"):
        connection.execute(
            "update gavan.migration_log set backup_id = %s"
            " where backup_id is null and applied_at >= %s",
            (backup_id, since),
        )


def read_journal(connection: Connection, record: Record) -> tuple[int, int]:
    """Return the last statement done, and the last begun, of a file without a transaction.

    Only since the version was last applied or taken back as a whole: what an earlier life of it
    did is no reason to leave a statement out.
    """
    row = connection.execute(
        "select coalesce(max(statement_no) filter (where outcome = 'partial'), 0),"
        " coalesce(max(statement_no) filter (where outcome = 'started'), 0)"
        " from gavan.migration_log where version = %s and checksum = %s and direction = %s"
        " and id > (select coalesce(max(id), 0) from gavan.migration_log"
        "  where version = %s and outcome = 'applied')",
        (record.version, record.checksum, record.direction, record.version),
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """When and by whom a version was applied, as our log says."""

    at: datetime
    by: str
    tool: str
    release: str | None


def read_done(connection: Connection) -> dict[str, Done]:
    """Return version -> how it was last applied; without those that another tool applied."""
    if not _exists(connection, "gavan.migration_log"):
        return {}
    rows = connection.execute(
        "select distinct on (version) version, direction, applied_at, applied_by, host, tool,"
        " release from gavan.migration_log where outcome = 'applied' order by version, id desc"
    )
    return {
        str(version): Done(at=at, by=f"{who}@{host}", tool=str(tool), release=release)
        for version, direction, at, who, host, tool, release in rows
        if direction == "up"
    }


def read_seeds(connection: Connection) -> dict[str, str]:
    """Return path -> sha256 of the seeds that ran."""
    if not _exists(connection, "supabase_migrations.seed_files"):
        return {}
    rows = connection.execute("select path, hash from supabase_migrations.seed_files")
    return {str(path): str(digest) for path, digest in rows}


def upsert_seed(connection: Connection, path: str, digest: str) -> None:
    connection.execute(
        "insert into supabase_migrations.seed_files (path, hash) values (%s, %s)"
        " on conflict (path) do update set hash = excluded.hash",
        (path, digest),
    )


def _exists(connection: Connection, table: str) -> bool:
    row = connection.execute("select to_regclass(%s) is not null", (table,)).fetchone()
    return bool(row and row[0])


def _schema_exists(connection: Connection, name: str) -> bool:
    row = connection.execute("select to_regnamespace(%s) is not null", (name,)).fetchone()
    return bool(row and row[0])


@cache
def _host() -> str:
    return socket.gethostname()


@cache
def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
