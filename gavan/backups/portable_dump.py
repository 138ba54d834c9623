"""`gavan db dump FOLDER`: a database as files for another, without a backup and without Docker.

Stands beside the portable restore and writes the same files, but for objects and for the history
of migrations, which the supabase CLI leaves out of a dump too. It reads as the owner, who is no
superuser on a hosted project: the platform's schemas that he may not read are not asked for.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from gavan.backups.archive import Archive
from gavan.backups.config_back import require_empty
from gavan.backups.dump import connection_of, program_failed, programs
from gavan.backups.model import Report
from gavan.backups.portable import INTERNAL, portable_entries, write_roles, write_sql
from gavan.backups.sealing import Clear
from gavan.backups.snapshot import LOCK_TIMEOUT
from gavan.database.migration.lock import connect
from gavan.kit.secret import Secret
from gavan.kit.size import in_bytes

HISTORY = "supabase_migrations"
# What goes along of them: rows of users and buckets, triggers and policies of the project.
_READ = frozenset({"auth", "storage"})
_VERSIONS = ("-- Dumped from ", "-- Dumped by ")
_NOT_READ = ("auth.schema_migrations", "storage.migrations")


def dump_portable(url: Secret, folder: Path, report: Report) -> list[Path]:
    """Write a database as ``roles.sql``, ``schema.sql`` and ``data.sql``; return them so.

    Raises GavanError: GV447 the folder is not empty, GV407 pg_dump failed, GV430 the server is
    newer than our programs, GV321 no connection.
    """
    with connect(url, "dump") as connection:
        major = connection.info.server_version // 10_000
    require_empty(folder)
    report("database", "start", "")
    # Inside the folder, which is its owner's alone.
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        dumped = Path(scratch) / "db"
        _run(url, major, folder, "pg_dump", "--format=directory", f"--file={dumped}", *_hidden())
        roles = _run(url, major, folder, "pg_dumpall", "--roles-only", "--no-role-passwords")
        archive = Archive(path=dumped, opener=Clear())
        entries = archive.entries()
        kept = [one for one in portable_entries(entries) if one.schema != HISTORY]
        files = [write_roles(roles, folder), *write_sql(archive, entries, kept, folder)]
    report("database", "ok", in_bytes(sum(path.stat().st_size for path in files)))
    return files


def schema_text(url: Secret) -> str:
    """Return what ``schema.sql`` is, as text that two machines with one schema agree on.

    No rows, no owners, no versions, the order of pg_dump. Raises GavanError as ``dump_portable``.
    """
    with connect(url, "dump") as connection:
        major = connection.info.server_version // 10_000
    with tempfile.TemporaryDirectory(prefix="gavan-schema-") as scratch:
        folder = Path(scratch)
        dumped = folder / "db"
        arguments = ("--format=directory", "--schema-only", f"--file={dumped}", *_hidden())
        _run(url, major, folder, "pg_dump", *arguments)
        archive = Archive(path=dumped, opener=Clear())
        entries = archive.entries()
        kept = [one for one in portable_entries(entries) if one.schema != HISTORY]
        path, _ = write_sql(archive, entries, kept, folder)
        lines = path.read_text("utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(_VERSIONS))


def _hidden() -> list[str]:
    hidden = [f"--exclude-schema={name}" for name in sorted(INTERNAL - _READ)]
    return [*hidden, *(f"--exclude-table={name}" for name in _NOT_READ)]


def _run(url: Secret, major: int, folder: Path, name: str, *arguments: str) -> str:
    target, environment = connection_of(url)
    argv = [
        str(programs(major) / name), f"--dbname={target}", "--no-password",
        f"--lock-wait-timeout={LOCK_TIMEOUT}", *arguments,
    ]  # fmt: skip
    done = subprocess.run(argv, env=environment, capture_output=True, check=False)
    if done.returncode:
        raise program_failed(name, done.returncode, done.stderr, folder)
    return done.stdout.decode()
