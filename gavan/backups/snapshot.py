"""One moment of a database: an exported snapshot, and the facts that are read in it.

Stands beside the dump, which reads the same moment: what the manifest counts is what was dumped.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from gavan.backups.model import RowCount, title
from gavan.database.migration.catalogue import Schema, read_schema
from gavan.database.migration.history import Connection
from gavan.database.migration.lock import connect_bare
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

EXACT_ROWS = 1_000_000
LOCK_TIMEOUT = "30s"
OBJECTS = "storage.objects"
OBJECTS_AT_ONCE = 2000
# Whoever may write the row may write anything there.
_SIZES: LiteralString = (
    "(select bucket_id, name, coalesce(version, '') as version, case when metadata->>'size' ~"
    r" '^\d{1,15}$' then (metadata->>'size')::bigint else 0 end as size from storage.objects) as o"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What holds for the whole database at that moment; empty where the role may not ask."""

    server_version: str
    major: int
    system_identifier: str
    timeline: int
    lsn: str
    database: str
    database_bytes: int
    schema_hash: str
    migration_head: str
    extensions: tuple[str, ...]
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRow:
    """A row of storage.objects; ``version`` names its blob, ``size`` is what the row says."""

    bucket: str
    name: str
    version: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with rows of its own; ``estimate`` of them by the planner."""

    schema: str
    name: str
    estimate: int
    is_readable: bool

    @property
    def title(self) -> str:
        return title(self.schema, self.name)


class Snapshot:
    """The moment, for as long as its transaction is open."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.id = str(self._one("select pg_export_snapshot()"))
        self.facts = _facts(connection)
        self.tables = _tables(connection)
        self.has_objects = any(t.title == OBJECTS and t.is_readable for t in self.tables)

    def cancel(self) -> None:
        """End the statement that is under way, from another thread."""
        self._connection.cancel_safe(timeout=5.0)

    def count(self, table: Table) -> RowCount | None:
        """Count the rows of a table, a large one by estimate; None when it cannot be read."""
        if not table.is_readable:
            return None
        if table.estimate > EXACT_ROWS:
            return RowCount(count=table.estimate, exact=False)
        asked = sql.SQL("select count(*) from only {}").format(
            sql.Identifier(table.schema, table.name)
        )
        try:
            with self._connection.transaction():
                row = self._connection.execute(asked).fetchone()
        except psycopg.Error:
            # Dropped or locked away since: the snapshot has its rows, but nobody may look.
            return None
        return RowCount(count=int(row[0]), exact=True) if row else None

    def objects(self) -> Iterator[ObjectRow]:
        """Walk the objects of the storage by bucket and name; none without its tables."""
        if not self.has_objects:
            return
        with self._connection.cursor("gavan_objects") as cursor:
            cursor.itersize = OBJECTS_AT_ONCE
            cursor.execute(
                f"select bucket_id, name, version, size from {_SIZES}"  # noqa: S608 - ours
                ' order by bucket_id collate "C", name collate "C"'
            )
            for bucket, name, version, size in cursor:
                yield ObjectRow(bucket=bucket, name=name, version=version, size=int(size))

    def object_bytes(self) -> int:
        """Return how large all objects together are, as their rows say."""
        if not self.has_objects:
            return 0
        asked: LiteralString = f"select coalesce(sum(size), 0) from {_SIZES}"  # noqa: S608 - ours
        return int(self._one(asked))

    def _one(self, query: LiteralString) -> Any:
        return _one(self._connection, query)


@contextmanager
def open_snapshot(url: Secret) -> Iterator[Snapshot]:
    """Yield the present moment.

    Raises GavanError: GV321 when the database is not reachable, GV407 when it cannot be read, for a
    lock that somebody holds too long among other reasons.
    """
    with connect_bare(url, "backup") as connection, _in_words():
        connection.execute("begin isolation level repeatable read read only")
        connection.execute(f"set local lock_timeout to '{LOCK_TIMEOUT}'".encode())
        connection.execute("set local idle_in_transaction_session_timeout to 0")
        connection.execute("set local statement_timeout to 0")
        yield Snapshot(connection)


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise GavanError(
            "GV407",
            "the database could not be read",
            details=str(error).strip(),
            hint="see the details; what was there before is untouched",
        ) from error


def hash_schema(schema: Schema) -> str:
    """Return one digest of every object of a schema and the essence of its definition."""
    total = hashlib.sha256()
    for (kind, name), definition in sorted(schema.items()):
        said = definition if kind in _TEXTUAL else essence(definition)
        for part in (kind, name, said):
            total.update(part.encode() + b"\0")
    return total.hexdigest()


def essence(definition: str) -> str:
    """Return a definition without what changes when Postgres reads its own spelling again.

    A view or a CHECK that was dumped and restored is spelled with other casts, parentheses and
    column labels than before (``'-1'::integer`` becomes ``'-1'::integer AS int4``), and means
    the same.
    """
    return _NOISE.sub("", definition)


_TEXTUAL = ("function", "procedure", "comment")
"""Kinds whose definition Postgres keeps as it was written"""
_TYPE = r'(?:"[^"]+"|\w+)'
_NOISE = re.compile(
    rf"::\s*{_TYPE}(?:\.{_TYPE})?(?: varying| precision| with(?:out)? time zone)?"
    rf"(?:\(\d+(?:,\s*\d+)?\))?(?:\[\])*| AS {_TYPE}|[\s()]"
)


def migration_head(connection: Connection) -> str:
    """Return the version of the newest applied migration; empty without a history."""
    history = "select to_regclass('supabase_migrations.schema_migrations') is not null"
    if not _optional(connection, history):
        return ""
    newest = _optional(
        connection, 'select max(version collate "C") from supabase_migrations.schema_migrations'
    )
    return str(newest or "")


def _facts(connection: Connection) -> Facts:
    version = connection.info.server_version
    return Facts(
        server_version=str(_one(connection, "show server_version")),
        major=version // 10000,
        system_identifier=str(
            _optional(connection, "select system_identifier from pg_control_system()") or ""
        ),
        timeline=int(_optional(connection, "select timeline_id from pg_control_checkpoint()") or 0),
        lsn=str(
            _one(
                connection,
                "select case when pg_is_in_recovery() then pg_last_wal_replay_lsn()"
                " else pg_current_wal_insert_lsn() end",
            )
        ),
        database=str(_one(connection, "select current_database()")),
        database_bytes=int(_one(connection, "select pg_database_size(current_database())")),
        schema_hash=hash_schema(read_schema(connection)),
        migration_head=migration_head(connection),
        extensions=_texts(
            connection, "select extname || ' ' || extversion from pg_extension order by 1"
        ),
        roles=_texts(
            connection, "select rolname::text from pg_roles where rolname !~ '^pg_' order by 1"
        ),
    )


def _tables(connection: Connection) -> tuple[Table, ...]:
    """Return the tables that hold rows, those of partitions among them, not those of Postgres.

    Nor those that an extension made: pg_dump leaves them to it, but for what an extension has
    marked as the user's, all rows of it.
    """
    rows = connection.execute(
        "select n.nspname::text, c.relname::text,"
        # Asking for the size instead would wait for a lock. Not known: counted.
        " greatest(c.reltuples, 0)::bigint,"
        " has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')"
        " and not row_security_active(c.oid)"
        " from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
        " where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname !~ '^pg_'"
        " and n.nspname <> 'information_schema' and not exists"
        " (select from pg_depend as d join pg_extension as e on e.oid = d.refobjid"
        "  where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'"
        "  and coalesce(e.extcondition[array_position(e.extconfig, c.oid)], 'none') <> '')"
        " order by 1, 2"
    ).fetchall()
    return tuple(
        Table(schema=schema, name=name, estimate=int(estimate or 0), is_readable=bool(readable))
        for schema, name, estimate, readable in rows
    )


def _one(connection: Connection, query: LiteralString) -> Any:
    row = connection.execute(query).fetchone()
    return row[0] if row else None


def _optional(connection: Connection, query: LiteralString) -> Any:
    """Return the answer; None where the role may not ask."""
    try:
        with connection.transaction():
            return _one(connection, query)
    except psycopg.errors.InsufficientPrivilege:
        return None


def _texts(connection: Connection, query: LiteralString) -> tuple[str, ...]:
    return tuple(str(row[0]) for row in connection.execute(query))
