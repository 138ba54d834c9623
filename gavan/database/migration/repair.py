"""Correct the history without touching the schema: mark versions as applied or as taken back.

Stands on the files, the history and the lock. The rows are those that the supabase CLI's
``migration repair`` writes; our log says that nothing was run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gavan.database.migration import history
from gavan.database.migration.bulk import copy_applied
from gavan.database.migration.files import MigrationFile, read_migrations
from gavan.database.migration.history import Applied, Connection, Record
from gavan.database.migration.lock import connect, migration_lock
from gavan.database.migration.parsed import Direction, parse
from gavan.database.migration.run import Options
from gavan.database.migration.split import checksum, split
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from gavan.kit.version import VERSION

TOOL = f"gavan {VERSION} repair"


def repair(
    url: Secret, folder: Path, versions: Sequence[str], direction: Direction, options: Options
) -> None:
    """Mark ``versions`` as applied (with the statements of their files) or as taken back; all or
    none.

    An applied version is marked again: its edited file is then what was applied. Raises GavanError:
    GV333 when there is no file to mark as applied, GV328 when what is to be taken back is not
    applied, GV313 lock, GV321 no connection.
    """
    files = {file.version: file for file in read_migrations(folder)}
    with (
        migration_lock(
            url, wait_s=options.wait_s, waiting=lambda who: options.report("lock", "warn", who)
        ),
        connect(url, "repair") as connection,
    ):
        history.create_tables(connection)
        with connection.transaction():
            if direction is Direction.UP:
                mark_applied(connection, [_file(files, version) for version in versions])
            else:
                _mark_taken_back(connection, versions)


def mark_applied(connection: Connection, files: Sequence[MigrationFile], tool: str = TOOL) -> None:
    """Write the rows of ``files`` as if they had run; the caller has the lock and a transaction."""
    for file in files:
        parsed = parse(file)
        if parsed.large is None:
            record = _record(file.version, file.name, file.text, Direction.UP, parsed.texts)
            history.upsert_applied(connection, record)
        else:
            history.forget_applied(connection, file.version)
            made = copy_applied(connection, file.version, file.name, parsed.large)
            record = replace(
                _record(file.version, file.name, "", Direction.UP, []),
                checksum=made,
                raw_sha256=parsed.large.raw_sha256,
            )
        history.insert_log(connection, replace(record, tool=tool))


def _mark_taken_back(connection: Connection, versions: Sequence[str]) -> None:
    applied = {row.version: row for row in history.read_applied(connection)}
    for version in versions:
        row = applied.get(version)
        if row is None:
            raise GavanError(
                "GV328",
                f"version {version} is not applied; nothing was changed",
                hint="look: gavan migrate status",
                exit_code=2,
            )
        history.delete_applied(connection, version)
        history.insert_log(connection, _record_of(row))


def _file(files: dict[str, MigrationFile], version: str) -> MigrationFile:
    if version not in files:
        raise GavanError(
            "GV333",
            f"there is no migration {version} here to be marked as applied; nothing was changed",
            hint=f"one of: {', '.join([*files][-5:]) or 'none'}",
            exit_code=2,
        )
    return files[version]


def _record_of(row: Applied) -> Record:
    text = ";\n".join(row.statements or [])
    statements = [statement.text for statement in split(text)]
    return _record(row.version, row.name, "", Direction.DOWN, statements)


def _record(
    version: str, name: str, text: str, direction: Direction, statements: list[str]
) -> Record:
    return Record(
        version=version,
        name=name,
        statements=statements,
        text=text,
        checksum=checksum(statements),
        duration_ms=0,
        direction=direction,
        statement_no=0,
        tool=TOOL,
    )
