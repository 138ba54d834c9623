"""Compare a database with what its migrations make: drift, and the proof behind a baseline.

Stands on the replay and the catalogue. ``shadow`` is always an empty database of the same server.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gavan.database.migration import history
from gavan.database.migration.catalogue import Difference, compare_schemas, read_schema
from gavan.database.migration.converge import converge
from gavan.database.migration.ddl import read_ddl
from gavan.database.migration.files import MigrationFile, read_migrations
from gavan.database.migration.history import Connection
from gavan.database.migration.lock import connect, migration_lock
from gavan.database.migration.plan import Entry, State, compare
from gavan.database.migration.repair import mark_applied
from gavan.database.migration.replay import replay
from gavan.database.migration.run import Options, Report
from gavan.database.migration.sameness import really_different
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret


def find_drift(url: Secret, shadow: Secret, folder: Path, options: Options) -> list[Difference]:
    """Return how the database differs from what its applied migrations make; changes nothing there.

    A file that was edited or is gone is replayed as the history recorded it. Raises GavanError
    GV309 when the history recorded nothing of it, StatementError for one that fails on the shadow.
    """
    files = read_migrations(folder)
    with connect(url, "diff") as connection:
        entries = compare(files, history.read_applied(connection))
        applied = [as_applied(entry, folder) for entry in entries if entry.applied]
        return differences(connection, shadow, applied, options.report)


def drift_statements(url: Secret, shadow: Secret) -> list[str]:
    """Return the SQL that makes of ``shadow``, after ``find_drift``, what the database is.

    As far as there is any; ``write_diff`` proves it. The shadow is changed.
    """
    with connect(url, "diff") as database, connect(shadow, "diff") as start:
        return converge(start, database).statements


def differences(
    database: Connection, shadow: Secret, files: Sequence[MigrationFile], report: Report
) -> list[Difference]:
    """Return how ``database`` differs from what ``files`` make in the empty ``shadow``."""
    found = compare_schemas(replay(shadow, files, report), read_schema(database))
    if not found:
        return []
    with connect(shadow, "diff") as start:
        return really_different(start, found, read_ddl(start), read_ddl(database))


def baseline(
    url: Secret, shadow: Secret, folder: Path, version: str, options: Options
) -> tuple[list[str], list[Difference]]:
    """Mark all migrations up to ``version`` as applied, if the database is what they make.

    Returns the versions marked now, and the differences: when there are any, nothing is marked.
    Raises GavanError GV333 when there is no such migration, GV313 lock, GV321 no connection.
    """
    files = read_migrations(folder)
    chosen = [file for file in files if file.version <= version]
    if not chosen or chosen[-1].version != version:
        raise GavanError(
            "GV333",
            f"there is no migration {version} here; nothing was changed",
            hint=f"one of: {', '.join(file.version for file in files[-5:]) or 'none'}",
            exit_code=2,
        )
    with (
        migration_lock(
            url, wait_s=options.wait_s, waiting=lambda who: options.report("lock", "warn", who)
        ),
        connect(url, "baseline") as connection,
    ):
        known = {row.version for row in history.read_applied(connection)}
        found = differences(connection, shadow, chosen, options.report)
        if found:
            return [], found
        fresh = [file for file in chosen if file.version not in known]
        history.create_tables(connection)
        with connection.transaction():
            mark_applied(connection, fresh)
    return _versions(fresh), []


def _versions(files: Sequence[MigrationFile]) -> list[str]:
    return [file.version for file in files]


def as_applied(entry: Entry, folder: Path) -> MigrationFile:
    """Return a migration as it was applied, from the history where its file is another by now.

    Raises GavanError GV309 when the history recorded nothing of it.
    """
    if entry.file is not None and entry.state is not State.CHANGED:
        return entry.file
    name = f"{entry.version}_{entry.name}"
    statements = entry.applied.statements if entry.applied else None
    if statements is None:
        raise GavanError(
            "GV309",
            f"migration {name} is applied but its file is not here",
            details="the history has no statements of it to replay, or more than are held",
            hint="git checkout the file (or merge the branch that has it)",
            exit_code=5,
        )
    # Its lines are those of the history, not of a file that may be there.
    path = folder / f"{name}.sql (as applied)"
    return MigrationFile.of_text(entry.version, entry.name, path, ";\n".join(statements))
