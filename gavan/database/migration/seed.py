"""Run seed files once per content: each one transaction, remembered by its hash.

Stands beside the migration runner and shares its history schema. Paths and hashes are written as
the supabase CLI writes them, so either tool knows what the other ran.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from gavan.database.migration import history
from gavan.database.migration.files import MigrationFile
from gavan.database.migration.history import Connection
from gavan.database.migration.lock import connect, migration_lock
from gavan.database.migration.parsed import parse
from gavan.database.migration.run import Report, kept, limit_transaction, run_statements, silent
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

WAIT_S = 60.0


def seed(
    url: Secret,
    files: Sequence[Path],
    *,
    root: Path,
    again: bool = False,
    report: Report = silent,
) -> list[str]:
    """Run the seeds of ``files`` in order; return the paths (from ``root``) that ran now.

    Unchanged seeds are skipped. A changed one is skipped with a warning unless ``again``, which
    runs all of them. Raises GavanError GV315 for a missing file, StatementError for one that
    fails; that one leaves nothing.
    """
    missing = [path for path in files if not path.is_file()]
    if missing:
        raise GavanError(
            "GV315",
            f"seed file {missing[0]} does not exist",
            hint="mend [database.seed] in the stack file",
            exit_code=2,
        )
    ran = []
    with (
        migration_lock(url, wait_s=WAIT_S, waiting=lambda who: report("lock", "warn", who)),
        connect(url, "seed") as connection,
    ):
        history.create_tables(connection)
        known = history.read_seeds(connection)
        for path in files:
            name = _name(path, root)
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            before = known.get(name)
            if before == digest and not again:
                report(name, "skip", "unchanged")
            elif before is not None and before != digest and not again:
                report(name, "warn", "changed since it ran; run it with: gavan seed --again")
            else:
                report(name, "start", "")
                try:
                    _run(connection, path, (name, digest))
                except GavanError:
                    report(name, "fail", "")
                    raise
                report(name, "ok", "")
                ran.append(name)
    return ran


def _run(connection: Connection, path: Path, record: tuple[str, str]) -> None:
    parsed = parse(MigrationFile.read("", path.stem, path))
    connection.execute("reset all")
    with kept(parsed), connection.transaction():
        limit_transaction(connection, "10s", "0")
        run_statements(connection, parsed)
        connection.execute("reset role")
        history.upsert_seed(connection, *record)


def _name(path: Path, root: Path) -> str:
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return path.as_posix()
