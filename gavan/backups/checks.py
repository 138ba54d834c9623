"""Questions to a restored database: is it what the manifest says was dumped?

Stands between the manifest and whoever restored. Each question returns what it found in one line,
or raises GavanError GV439 that names what is not as it was.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psycopg
from psycopg import sql

from gavan.backups.model import Manifest, RowCount
from gavan.backups.model import title as title_of
from gavan.backups.snapshot import hash_schema, migration_head
from gavan.database.migration.apply import status
from gavan.database.migration.catalogue import read_schema
from gavan.database.migration.history import Connection
from gavan.database.migration.plan import State
from gavan.database.programs import libpq_environment, program
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

NAMED = 10
LINES = 20


def check_rows(
    connection: Connection,
    rows: Mapping[str, RowCount],
    heard: Callable[[int], None] = lambda _tables: None,
) -> str:
    """Count the rows of every table that the manifest counted exactly; ``heard`` counts tables."""
    there = _tables(connection)
    wrong, counted, total = [], 0, 0
    for title, wanted in rows.items():
        if title not in there:
            wrong.append(f"{title}: the table is missing")
            continue
        if not wanted.exact:
            continue
        found = _count(connection, there[title])
        counted, total = counted + 1, total + found
        heard(counted)
        if found != wanted.count:
            wrong.append(f"{title}: {found} instead of {wanted.count}")
    if wrong:
        raise differs("the rows are not those of the backup", wrong)
    estimated = len(rows) - counted
    more = f"; {estimated} large ones only by name" if estimated else ""
    return f"{total} rows in {counted} tables{more}"


def count_rows(connection: Connection) -> dict[str, int]:
    """Return the rows of every table of the project and of the system schemas."""
    return {title: _count(connection, table) for title, table in _tables(connection).items()}


def check_schema(connection: Connection, manifest: Manifest) -> str:
    """Compare the digest of all objects of all schemas."""
    schema = read_schema(connection)
    if hash_schema(schema) != manifest.schema_hash:
        raise differs("the schema is not that of the backup", [f"{len(schema)} objects now"])
    return f"{len(schema)} objects"


def check_head(connection: Connection, manifest: Manifest) -> str:
    """Compare the newest applied migration."""
    found = migration_head(connection)
    if found != manifest.migration_head:
        raise differs(
            "the migrations are not those of the backup",
            [f"{found or 'none'} instead of {manifest.migration_head or 'none'}"],
        )
    return found or "none"


def check_migrations(owner: Secret, folder: Path) -> str:
    """Ask what `gavan migrate status` would say: nothing changed, missing or out of order.

    Files newer than the backup are pending, which is no fault of it.
    """
    entries = status(owner, folder)
    clean = (State.APPLIED, State.REFORMATTED, State.PENDING)
    wrong = [f"{e.version}_{e.name}: {e.state}" for e in entries if e.state not in clean]
    if wrong:
        raise differs("the history does not fit the migration files", wrong)
    waiting = sum(entry.state is State.PENDING for entry in entries)
    newer = f", {waiting} newer than the backup" if waiting else ""
    return f"{len(entries) - waiting} applied{newer}"


def check_pages(url: Secret, jobs: int) -> str:
    """Let pg_amcheck read every table and every index; it adds its extension to the database."""
    done = subprocess.run(
        [str(program("pg_amcheck")), "--install-missing", "--heapallindexed", "--rootdescend",
         "--jobs", str(jobs)],
        env=libpq_environment(url), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise differs("pg_amcheck found damage", (done.stdout + done.stderr).splitlines()[:LINES])
    return "tables and indexes agree"


def ask_questions(connection: Connection, questions: Sequence[str]) -> str:
    """Run the statements of [backup.drill] sql; each must answer true in its first column."""
    wrong = []
    for question in questions:
        try:
            with connection.transaction(force_rollback=True):
                row = connection.execute(question.encode()).fetchone()
        except psycopg.Error as error:
            wrong.append(f"{question}: {str(error).splitlines()[0]}")
            continue
        if row is None or row[0] is not True:
            wrong.append(f"{question}: {row[0] if row else 'no row'}")
    if wrong:
        raise differs("a question was not answered with true", wrong)
    return f"{len(questions)} of {len(questions)} answered true"


def differs(message: str, wrong: Sequence[str]) -> GavanError:
    """Return the error that names the first of what is wrong."""
    more = [f"and {len(wrong) - NAMED} more"] if len(wrong) > NAMED else []
    return GavanError(
        "GV439",
        message,
        details="\n".join([*wrong[:NAMED], *more]),
        hint="another one; to look at this one beside: gavan backup restore ID --salvage --to NAME",
    )


def _tables(connection: Connection) -> dict[str, sql.Identifier]:
    """Return the tables with rows of their own by the title that manifests use."""
    rows = connection.execute(
        "select n.nspname::text, c.relname::text from pg_class as c"
        " join pg_namespace as n on n.oid = c.relnamespace where c.relkind = 'r'"
        " and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"
    ).fetchall()
    return {title_of(schema, name): sql.Identifier(schema, name) for schema, name in rows}


def _count(connection: Connection, table: sql.Identifier) -> int:
    row = connection.execute(sql.SQL("select count(*) from only {}").format(table)).fetchone()
    return int(row[0]) if row else 0
