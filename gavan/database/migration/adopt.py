"""Take over the history of golang-migrate or dbmate: what they applied is applied.

Stands on the files, the history and the lock. Their table `schema_migrations` is read and stays:
golang-migrate (golang-migrate/migrate:database/postgres/postgres.go) has one row with the newest
version and whether it failed half way, dbmate (amacneil/dbmate:pkg/driver/postgres/postgres.go) a
row for every version.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gavan.database.migration import history
from gavan.database.migration.files import MigrationFile, read_migrations
from gavan.database.migration.history import Connection
from gavan.database.migration.lock import connect, migration_lock
from gavan.database.migration.repair import mark_applied
from gavan.database.migration.run import Options
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from gavan.kit.version import VERSION

TOOL = f"gavan {VERSION} adopt"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What another tool says it applied; ``has`` answers for a version of ours."""

    tool: str
    has: Callable[[str], bool]
    versions: Sequence[str]
    """All that it names by itself."""


def adopt_history(url: Secret, folder: Path, options: Options) -> tuple[str, list[str]]:
    """Write into our history what another tool's table says; return its name and the versions.

    The name is empty where there is no such table, or it was taken over before: what was done since
    is only known to ours. Raises GavanError: GV342 when its last migration failed half way, or
    it names a version that has no file; GV313 lock, GV321 no connection. Nothing is changed then.
    """
    with (
        migration_lock(
            url, wait_s=options.wait_s, waiting=lambda who: options.report("lock", "warn", who)
        ),
        connect(url, "adopt") as connection,
    ):
        other = _read(connection)
        if other is None or _was_adopted(connection):
            return "", []
        files = read_migrations(folder)
        _refuse_unknown(other, files)
        known = {row.version for row in history.read_applied(connection)}
        fresh = [file for file in files if other.has(file.version) and file.version not in known]
        history.create_tables(connection)
        with connection.transaction():
            mark_applied(connection, fresh, tool=TOOL)
    return other.tool, [file.version for file in fresh]


def _read(connection: Connection) -> History | None:
    row = connection.execute(
        "select string_agg(attname, ' ' order by attname) from pg_attribute"
        " where attrelid = to_regclass('schema_migrations') and attnum > 0 and not attisdropped"
    ).fetchone()
    columns = row[0] if row else None
    if columns == "dirty version":
        return _golang(connection)
    if columns == "version":
        rows = connection.execute("select version::text from schema_migrations").fetchall()
        versions = sorted(str(one[0]) for one in rows)
        numbers = {int(one) for one in versions}
        return History(tool="dbmate", has=lambda one: int(one) in numbers, versions=versions)
    return None


def _golang(connection: Connection) -> History:
    rows = connection.execute("select version::bigint, dirty from schema_migrations").fetchall()
    newest = max((int(version) for version, _ in rows), default=-1)
    if any(dirty for _, dirty in rows):
        raise GavanError(
            "GV342",
            f"migration {newest} of golang-migrate failed half way: the database is dirty",
            details="nobody knows which of its statements were done; nothing was changed",
            hint="finish or undo it by hand, then say which version is true: migrate force VERSION",
            exit_code=5,
        )
    versions = [str(newest)] if newest >= 0 else []
    return History(tool="golang-migrate", has=lambda one: int(one) <= newest, versions=versions)


def _refuse_unknown(other: History, files: Sequence[MigrationFile]) -> None:
    here = {int(file.version) for file in files}
    unknown = [version for version in other.versions if int(version) not in here]
    if unknown:
        raise GavanError(
            "GV342",
            f"{other.tool} applied {', '.join(unknown)}, and no file here has that version",
            details="nothing was changed",
            hint="bring the files back (git checkout), then again: gavan migrate adopt",
            exit_code=5,
        )


def _was_adopted(connection: Connection) -> bool:
    row = connection.execute("select to_regclass('gavan.migration_log') is not null").fetchone()
    if not (row and row[0]):
        return False
    found = connection.execute(
        "select exists (select from gavan.migration_log where tool like 'gavan % adopt')"
    ).fetchone()
    return bool(found and found[0])
