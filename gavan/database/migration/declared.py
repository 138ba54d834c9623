"""A declared schema: files that say what shall be, beside migrations that say how it came about.

Stands beside the drift; both sides are shadows, and no database of anybody is looked at. As
`[db.migrations] schema_paths` of the supabase CLI, files are run in the order of their paths.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gavan.database.migration.catalogue import Difference
from gavan.database.migration.drift import differences
from gavan.database.migration.files import MigrationFile, read_migrations
from gavan.database.migration.history import Connection
from gavan.database.migration.lock import connect
from gavan.database.migration.replay import replay
from gavan.database.migration.run import Report
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret


@contextmanager
def declared_database(declared: Path, shadow: Secret, report: Report) -> Iterator[Connection]:
    """Yield a connection to the empty ``shadow`` once the files of ``declared`` have run there.

    Raises GavanError GV343 for a folder without files, StatementError at file:line:column.
    """
    replay(shadow, read_declared(declared), report)
    with connect(shadow, "diff") as connection:
        yield connection


def declared_differences(
    goal: Connection, shadow: Secret, folder: Path, report: Report
) -> list[Difference]:
    """Return how the declared schema differs from what the migrations of ``folder`` make."""
    return differences(goal, shadow, read_migrations(folder), report)


def read_declared(declared: Path) -> list[MigrationFile]:
    """Return one file, or all of a folder and those below it, in the order of their paths."""
    paths = [declared] if declared.is_file() else sorted(declared.rglob("*.sql"))
    if not paths:
        raise GavanError(
            "GV343",
            f"0 files that end in .sql in {declared}",
            hint="gavan migrate diff --to supabase/schemas",
            exit_code=2,
        )
    # The history of a shadow wants a version of each.
    return [
        MigrationFile.read(f"{number:06}", path.stem, path)
        for number, path in enumerate(paths, start=1)
    ]
