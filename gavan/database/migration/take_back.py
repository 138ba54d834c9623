"""Take migrations back by their down files, newest first, each in one transaction.

Stands beside ``apply`` on the files, the history, the lock and the runner of one file. The history
loses the row, as the supabase CLI's ``migration repair --status reverted`` would remove it; our log
gains one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gavan.database.migration import history
from gavan.database.migration.files import (
    DOWN,
    MigrationFile,
    irreversible_reason,
    read_down,
    read_migrations,
)
from gavan.database.migration.history import Applied
from gavan.database.migration.lock import connect, migration_lock
from gavan.database.migration.parsed import Direction, Parsed, parse
from gavan.database.migration.run import Options, run_file
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret


def plan_down(url: Secret, folder: Path, *, count: int = 1, to: str | None = None) -> list[Parsed]:
    """Return the down files to run, newest first: of ``count`` migrations, or of all after ``to``.

    Reads only. Raises GavanError: GV328 when ``to`` is not applied or fewer than ``count`` are,
    GV324 for missing down files, GV325 for migrations marked irreversible, GV327 for a down file
    without a statement, StatementError for one that does not parse.
    """
    files = {file.version: file for file in read_migrations(folder)}
    with connect(url, "status") as connection:
        applied = history.read_applied(connection)
    chosen = _choose(applied, count=count, to=to)
    _refuse_irreversible(chosen, files)
    return [parse(file, Direction.DOWN) for file in _down_files(chosen, files, folder)]


def take_back(url: Secret, plan: Sequence[Parsed], options: Options) -> list[str]:
    """Run the down files of a plan; return the versions taken back.

    Raises GavanError: GV326 when the history is no longer what the plan was made for (nothing is
    changed then), GV313 lock, GV321 no connection, StatementError for a statement that failed: the
    files before it stay taken back, and its details say where that leaves the database.
    """
    with (
        migration_lock(
            url, wait_s=options.wait_s, waiting=lambda who: options.report("lock", "warn", who)
        ) as lock,
        connect(url, "migrate") as connection,
    ):
        _require_newest([row.version for row in history.read_applied(connection)], plan)
        history.create_tables(connection)
        done: list[str] = []
        try:
            for parsed in plan:
                lock.require()
                if run_file(connection, parsed, options):
                    done.append(parsed.file.version)
        except GavanError as error:
            if not connection.closed:
                _add_state(error, done, history.read_applied(connection))
            raise
        finally:
            if done and not connection.closed:
                connection.execute("notify pgrst, 'reload schema'")
    return done


def _choose(applied: Sequence[Applied], *, count: int, to: str | None) -> list[Applied]:
    versions = [row.version for row in applied]
    newest_first = list(reversed(applied))
    if to is not None:
        if to not in versions:
            shown = ", ".join(versions[-5:]) or "none"
            raise _no_such(f"version {to} is not applied", f"the newest applied: {shown}")
        return [row for row in newest_first if row.version > to]
    if count > len(applied):
        raise _no_such(
            f"{count} migrations cannot be taken back, {len(applied)} are applied",
            "look: gavan migrate status",
        )
    return newest_first[:count]


def _no_such(message: str, hint: str) -> GavanError:
    return GavanError("GV328", message, hint=hint, exit_code=2)


def _refuse_irreversible(chosen: Sequence[Applied], files: dict[str, MigrationFile]) -> None:
    for row in chosen:
        file = files.get(row.version)
        head = file.head if file else (row.statements or [""])[0]
        reason = irreversible_reason(head)
        if reason is not None:
            raise GavanError(
                "GV325",
                f"migration {row.version}_{row.name} cannot be taken back: {reason}",
                details="nothing was changed",
                hint="restore a backup, or write a new migration that goes on from here",
                exit_code=6,
            )


def _down_files(
    chosen: Sequence[Applied], files: dict[str, MigrationFile], folder: Path
) -> list[MigrationFile]:
    found, missing, empty = [], [], []
    for row in chosen:
        file = files.get(row.version)
        down = read_down(folder, row.version, file.name if file else row.name)
        if isinstance(down, Path):
            missing.append(down)
        else:
            found.append(down)
            empty += [down.path] if parse(down, Direction.DOWN).is_empty else []
    if missing:
        raise _refusal("GV324", "has no down file", missing, f"write {missing[0]}")
    if empty:
        hint = "write what undoes it; where there is nothing to undo: select 1;"
        raise _refusal("GV327", "has a down file without a statement", empty, hint)
    return found


def _refusal(code: str, why: str, paths: Sequence[Path], hint: str) -> GavanError:
    first = paths[0]
    more = [f"{DOWN}/{path.name}" for path in paths] if len(paths) > 1 else []
    error = GavanError(
        code,
        f"migration {first.stem} {why}; nothing was changed",
        details="\n".join(more) or None,
        hint=hint,
        exit_code=2,
    )
    error.where = str(first)
    return error


def _require_newest(applied: Sequence[str], plan: Sequence[Parsed]) -> None:
    planned = [parsed.file.version for parsed in plan]
    if list(reversed(applied))[: len(planned)] != planned:
        raise GavanError(
            "GV326",
            "the history changed since the plan was made; nothing was changed",
            details=f"newest applied: {applied[-1] if applied else 'none'}; "
            f"to be taken back first: {planned[0]}",
            hint="look: gavan migrate status",
            exit_code=4,
        )


def _add_state(error: GavanError, done: Sequence[str], left: Sequence[Applied]) -> None:
    """Say where a half-done run leaves the database, and what goes on from there."""
    newest = f"{left[-1].version}_{left[-1].name}" if left else "none"
    state = f"taken back: {', '.join(done) or 'none'}; newest still applied: {newest}"
    error.details = "\n".join(filter(None, [error.details, state]))
    # What the statement lacks comes first, and then the command that goes on from here.
    error.hint = "; ".join(filter(None, [error.hint, "mended, go on: gavan migrate down"]))
