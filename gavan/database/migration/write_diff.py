"""Write what was changed by hand, or is declared, as a migration, once it is proved to lead there.

Stands on the drift, the convergence and the replay. Nothing is written that does not come out
equal: the file is replayed after the others on a second shadow, as `gavan migrate up` would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from gavan.database.migration import history
from gavan.database.migration.catalogue import Difference
from gavan.database.migration.converge import Converged, converge
from gavan.database.migration.declared import declared_database
from gavan.database.migration.drift import as_applied, differences
from gavan.database.migration.files import MigrationFile, next_path, read_migrations
from gavan.database.migration.history import Connection
from gavan.database.migration.lock import connect
from gavan.database.migration.plan import State, compare
from gavan.database.migration.replay import replay
from gavan.database.migration.run import Options
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

Shadows = Callable[[], AbstractContextManager[Secret]]
"""Makes an empty database of the same server at each call."""
_BY_HAND = "-- Made by gavan migrate diff: what was changed in the database. Read it first.\n"
_DECLARED = "-- Made by gavan migrate diff: what the declared schema asks for. Read it first.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The migration that was written; None when there was nothing to write."""

    path: Path | None
    version: str
    statements: Sequence[str]


def write_diff(url: Secret, shadows: Shadows, folder: Path, name: str, options: Options) -> Written:
    """Write the migration that makes of the applied migrations what the database is.

    The database is only read. Raises GavanError: GV339 when migrations are pending, when something
    is left that no statement of ours mends, or rows would be lost on the way; GV309 as
    ``find_drift``; nothing is written then.
    """
    path = next_path(folder, name)
    with connect(url, "diff") as database:
        applied = _applied(database, folder)
        how = _Way(goal=database, shadows=shadows, header=_BY_HAND, options=options)
        return _write(how, applied, path)


def write_declared(
    declared: Path, shadows: Shadows, folder: Path, name: str, options: Options
) -> Written:
    """Write the migration that makes of those of ``folder`` what ``declared`` says.

    Raises GavanError: GV339 when something is left that no statement of ours mends, or rows would
    be lost on the way; GV343 for a folder without files; nothing is written then.
    """
    path = next_path(folder, name)
    with shadows() as shadow, declared_database(declared, shadow, options.report) as goal:
        how = _Way(goal=goal, shadows=shadows, header=_DECLARED, options=options)
        return _write(how, read_migrations(folder), path)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """From what migrations make to ``goal``; ``header`` says why, on the first line of the file."""

    goal: Connection
    shadows: Shadows
    header: str
    options: Options


def _write(way: _Way, files: Sequence[MigrationFile], path: Path) -> Written:
    report = way.options.report
    with way.shadows() as shadow:
        replay(shadow, files, report)
        with connect(shadow, "diff") as start:
            found = converge(start, way.goal)
    _refuse_left(found.left, found.refused)
    _refuse_losses(found)
    if not found.statements:
        return Written(path=None, version="", statements=[])
    text = migration_text(way.header, found.statements)
    version = path.name.split("_", 1)[0]
    file = MigrationFile.of_text(version, path.stem, path, text)
    with way.shadows() as shadow:
        _refuse_left(differences(way.goal, shadow, [*files, file], report), [])
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as stream:
        stream.write(text)
    return Written(path=path, version=version, statements=found.statements)


def migration_text(header: str, statements: Sequence[str]) -> str:
    """Return statements as the text of a file."""
    return header + "".join(f"\n{statement};\n" for statement in statements)


def _applied(database: Connection, folder: Path) -> list[MigrationFile]:
    entries = compare(read_migrations(folder), history.read_applied(database))
    pending = [one for one in entries if one.state in (State.PENDING, State.OUT_OF_ORDER)]
    if pending:
        raise _refusal(
            f"{pending[0].version}_{pending[0].name} is not applied here yet",
            "gavan migrate up first: the new file comes after it",
        )
    return [as_applied(entry, folder) for entry in entries if entry.applied]


def _refuse_left(left: Sequence[Difference], refused: Sequence[str]) -> None:
    if left:
        lines = [*map(str, left), *(f"tried: {reason}" for reason in refused)]
        raise _refusal(
            "\n".join(lines), "write the migration by hand (gavan migrate new) for what is named"
        )


def _refuse_losses(found: Converged) -> None:
    if found.remade:
        raise _refusal(
            f"rows would be lost, these would be made anew: {', '.join(found.remade)}",
            "write the migration by hand: gavan migrate new",
        )


def _refusal(why: str, hint: str) -> GavanError:
    message = "no migration was written: it would not lead to where it should"
    return GavanError("GV339", message, details=why, hint=hint, exit_code=5)
