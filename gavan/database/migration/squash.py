"""Make one migration of many, proved to give the same schema and the same rows.

Stands on the replay, the convergence and the archive. The schema is written from what the
migrations make; what no schema shows (rows, DO blocks, calls, roles) is kept word for word behind
it. Shadows decide: as the old files make it, as the new one is found, as the new one makes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from gavan.database.migration import history
from gavan.database.migration.archive import ARCHIVE, SQUASHED, archive, finish, read_archive
from gavan.database.migration.converge import converge
from gavan.database.migration.drift import differences
from gavan.database.migration.files import MigrationFile, read_migrations
from gavan.database.migration.history import Applied, Connection, Record
from gavan.database.migration.lock import connect, migration_lock
from gavan.database.migration.parsed import Parsed, parse
from gavan.database.migration.plan import State, compare
from gavan.database.migration.replay import replay
from gavan.database.migration.rows import Rows, different_rows, read_rows
from gavan.database.migration.run import Options
from gavan.database.migration.server_wide import is_server_wide
from gavan.database.migration.split import Statement, checksum
from gavan.database.migration.write_diff import Shadows, migration_text
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from gavan.kit.version import VERSION

TOOL = f"gavan {VERSION} squash"
# What these do is not in the catalogue, or not only.
_KEPT = frozenset({
    "CallStmt", "CopyStmt", "DeleteStmt", "DoStmt", "InsertStmt", "MergeStmt", "RefreshMatViewStmt",
    "SelectStmt", "TruncateStmt", "UpdateStmt",
})  # fmt: skip
_WORDS = frozenset({
    "call", "copy", "delete", "do", "insert", "merge", "refresh", "select", "table", "truncate",
    "update", "values", "with",
})  # fmt: skip


def squash(
    url: Secret, shadows: Shadows, folder: Path, to: str | None, options: Options
) -> list[str]:
    """Make one file of the migrations up to ``to`` (all); return the versions it stands for now.

    What was squashed before, here or by somebody else, is first brought to the end: the folder, and
    the history of this database. Raises GavanError: GV333 when there is no migration ``to``, GV340
    when a migration is not applied as its file says or rows would be lost, GV313 lock; nothing is
    changed then.
    """
    finish(folder)
    with (
        migration_lock(
            url, wait_s=options.wait_s, waiting=lambda who: options.report("lock", "warn", who)
        ),
        connect(url, "squash") as connection,
    ):
        caught_up = _catch_up(connection, folder)
        if caught_up:
            return caught_up
        chosen = _choose(connection, folder, to)
        if len(chosen) < 2:
            return []
        file = _squashed(shadows, folder, chosen, options)
        archive(folder, file, chosen)
        _catch_up(connection, folder)
    return [one.version for one in chosen]


def _catch_up(connection: Connection, folder: Path) -> list[str]:
    """Write the one row of every squash that the history does not know; return its versions."""
    changed: list[str] = []
    for squashed in read_archive(folder):
        applied = {row.version: row for row in history.read_applied(connection)}
        here = [version for version in squashed.versions if version in applied]
        if not here or _is_known(applied[here[-1]], here, squashed.file):
            continue
        missing = [version for version in squashed.versions if version not in applied]
        if missing:
            home = folder / ARCHIVE / squashed.file.version
            raise _refusal(
                f"{', '.join(missing)} were squashed and are not applied to this database",
                f"apply them from {home} first, with the release before the squash",
            )
        history.create_tables(connection)
        with connection.transaction():
            for version in here:
                history.delete_applied(connection, version)
            record = _record(squashed.file)
            history.insert_applied(connection, record)
            history.insert_log(connection, record)
        changed += here
    return changed


def _is_known(newest: Applied, here: Sequence[str], file: MigrationFile) -> bool:
    """Tell whether the history has the row of the squash, or that of a later one."""
    return here == [file.version] and newest.name == SQUASHED


def _choose(connection: Connection, folder: Path, to: str | None) -> list[MigrationFile]:
    files = read_migrations(folder)
    if to is not None and to not in {file.version for file in files}:
        shown = ", ".join(file.version for file in files[-5:])
        raise GavanError(
            "GV333",
            f"there is no migration {to} here; nothing was changed",
            hint=f"one of: {shown or 'none'}",
            exit_code=2,
        )
    chosen = [file for file in files if to is None or file.version <= to]
    wrong = [
        f"{entry.version}_{entry.name}: {entry.state}"
        for entry in compare(files, history.read_applied(connection))
        if (to is None or entry.version <= to)
        and entry.state not in (State.APPLIED, State.REFORMATTED)
    ]
    if wrong:
        raise _refusal("\n".join(wrong), "gavan migrate status; apply or mend these first")
    return chosen


def _squashed(
    shadows: Shadows, folder: Path, chosen: Sequence[MigrationFile], options: Options
) -> MigrationFile:
    """Return the one file, proved on shadows."""
    newest = chosen[-1].version
    with shadows() as old:
        replay(old, chosen, options.report)
        with connect(old, "squash") as goal:
            statements = [*_schema_statements(shadows, goal), *_kept(chosen)]
            text = migration_text(_header(newest), statements)
            path = folder / f"{newest}_{SQUASHED}.sql"
            file = MigrationFile.of_text(newest, SQUASHED, path, text)
            _prove(shadows, file, goal, chosen, options)
    return file


def _schema_statements(shadows: Shadows, goal: Connection) -> Sequence[str]:
    with shadows() as empty, connect(empty, "squash") as start:
        found = converge(start, goal)
    if found.left:
        raise _refusal("\n".join(map(str, found.left)), _EARLIER)
    return found.statements


_EARLIER = "squash less: gavan migrate squash --to VERSION, before what is named"


def _prove(
    shadows: Shadows,
    file: MigrationFile,
    goal: Connection,
    chosen: Sequence[MigrationFile],
    options: Options,
) -> None:
    """Raise GavanError GV340 unless the file makes the schema and the rows of ``goal``."""
    rows = read_rows(goal)
    with shadows() as fresh:
        try:
            left = [str(one) for one in differences(goal, fresh, [file], options.report)]
        except GavanError as error:
            why = f"kept behind the schema, a statement fails: {error.message}"
            raise _refusal("\n".join([why, *_places(chosen)]), _EARLIER) from error
        with connect(fresh, "squash") as connection:
            other = different_rows(rows, read_rows(connection))
    if not left and other:
        other = _stable(shadows, rows, chosen, other, options)
    if left or other:
        lines = [*left, *(f"other rows in {table}" for table in other)]
        raise _refusal("\n".join([*lines, *_places(chosen)]), _EARLIER)


def _stable(
    shadows: Shadows,
    rows: Rows,
    chosen: Sequence[MigrationFile],
    other: Sequence[str],
    options: Options,
) -> list[str]:
    """Return those of the tables that are equal when the old files are replayed once more.

    The others differ by themselves: random keys, the time of day.
    """
    with shadows() as again:
        replay(again, chosen, options.report)
        with connect(again, "squash") as connection:
            moving = set(different_rows(rows, read_rows(connection)))
    return [table for table in other if table not in moving]


def _kept(files: Sequence[MigrationFile]) -> Iterator[str]:
    """Yield what the catalogue does not show, with a line that says where it came from."""
    for file in files:
        parsed = parse(file)
        statements = [one for one in parsed.statements if _is_kept(one)]
        if statements:
            yield f"-- From {file.path.name}\n" + ";\n".join(one.text for one in statements)


def _is_kept(statement: Statement) -> bool:
    if not statement.is_run:
        return False
    if statement.first_word in _WORDS or statement.text[statement.first - statement.offset] == "(":
        return type(statement.tree()).__name__ in _KEPT
    return is_server_wide(statement)


def _places(files: Sequence[MigrationFile]) -> list[str]:
    """Return where the statements are that are kept: one of them is to blame."""
    return [line for file in files for line in _places_of(parse(file))]


def _places_of(parsed: Parsed) -> Iterator[str]:
    for number, statement in enumerate(parsed.statements):
        if _is_kept(statement):
            line, column = parsed.place(number)
            yield f"kept: {parsed.file.path}:{line}:{column}"


def _header(version: str) -> str:
    return (
        f'-- gavan: irreversible="the migrations it stands for are in {ARCHIVE}/{version}"\n'
        f"-- Made by gavan migrate squash.\n"
    )


def _record(file: MigrationFile) -> Record:
    texts = parse(file).texts
    return Record(
        version=file.version,
        name=file.name,
        statements=texts,
        text=file.text,
        checksum=checksum(texts),
        duration_ms=0,
        statement_no=0,
        tool=TOOL,
    )


def _refusal(why: str, hint: str) -> GavanError:
    message = "the migrations are not squashed; nothing was changed"
    return GavanError("GV340", message, details=why, hint=hint, exit_code=5)
