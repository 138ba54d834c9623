"""`gavan backup restore --salvage`: what is intact of a damaged backup, in a database beside.

Stands beside the restore, for the day on which no whole backup is left. Nothing is replaced: what
comes out is for looking and copying, and every table says whether all its rows are there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from gavan.backups import manifest
from gavan.backups.archive import Archive, Entry
from gavan.backups.birth import Birth
from gavan.backups.checks import count_rows
from gavan.backups.dump import ARCHIVE, FOLDER
from gavan.backups.layout import MANIFEST, Repository
from gavan.backups.load import fresh_database, fresh_name, pour, shape_of
from gavan.backups.loader import functions_as_owners, loader
from gavan.backups.model import NO_OBJECTS, Kind, Manifest, Sealed, StoredFile
from gavan.backups.restore import Wish, archive_of, roles_of, ticking
from gavan.backups.roles import apply_roles
from gavan.backups.swap import maintenance, rename
from gavan.backups.verify import Problem
from gavan.database.migration.lock import connect_bare
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

CONTENTS = f"{FOLDER}/toc.dat"
# A table has a file of its own number; large objects share one number for all their files.
_DATA = re.compile(rf"{FOLDER}/(\d+)\.dat(?:\..+)?")
_LARGE = re.compile(rf"{FOLDER}/blobs?_.*")
_METHODS = {".age": "age", ".gpg": "gpg"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A table: rows that are there, and rows that the manifest counted (None: it cannot say)."""

    table: str
    rows: int
    of: int | None

    @property
    def is_whole(self) -> bool:
        return self.of is None or self.rows == self.of


@dataclass(slots=True, kw_only=True)
class Salvaged:
    """What came out, in ``database``; ``refused`` is what Postgres could not make of it."""

    backup: str
    database: str
    problems: list[Problem]
    tables: list[Found] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def lost(self) -> list[Found]:
        return [table for table in self.tables if not table.is_whole]


def salvage(wish: Wish) -> Salvaged:
    """Load what is intact into the database ``wish.to``, which stays beside.

    Raises GavanError: GV446 when the table of contents is damaged, GV442 a server that is not ours.
    """
    admin = wish.admin
    problems = wish.verify()
    broken = [_in_backup(problem, wish.made.id) for problem in problems]
    heard = ticking(wish.report, "tables", str)
    archive = archive_of(wish.folder, wish.made, wish.opener, wish.jobs, heard)
    entries = _contents(archive, broken)
    fresh = fresh_name(wish.access.database, wish.made.id)
    name = wish.to or fresh.replace("_restore_", "_salvage_")
    done = Salvaged(backup=wish.made.id, database=name, problems=problems)
    with fresh_database(admin, fresh, Birth.of(archive), done.refused.append) as url:
        done.refused += _roles(wish, admin)
        wish.report("tables", "start", "")
        done.refused += _load(url, archive, [e for e in entries if not _is_lost(e, broken)])
        done.tables = _count(url, wish.made)
        lost = len(done.lost)
        wish.report("tables", "warn" if lost else "ok", f"{lost} are not whole" if lost else "")
        rename(admin, fresh, name)
    return done


def manifest_of(repository: Repository, backup_id: str) -> Manifest:
    """Return the manifest, or one made of what lies in the folder when that is damaged too."""
    folder = repository.folder(backup_id)
    try:
        return manifest.read(folder)
    except GavanError:
        return _guessed(folder, backup_id)


def _guessed(folder: Path, backup_id: str) -> Manifest:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    files = tuple(
        StoredFile(path=path.relative_to(folder).as_posix(), bytes=path.stat().st_size, sha256="")
        for path in paths
    )
    sealed = next((path.suffix for path in paths if path.name.startswith(ARCHIVE)), "")
    made = datetime.strptime(backup_id.partition("-")[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return Manifest(
        id=backup_id, stack="", kind=Kind(backup_id.split("-")[1]), started=made, ended=made,
        tool_version="", server_version="", system_identifier="", timeline=0, lsn_start="",
        lsn_end="", database="", database_bytes=sum(file.bytes for file in files), rows={},
        schema_hash="", migration_head="", extensions=(), roles=(), files=files,
        encryption=Sealed(method=_METHODS.get(sealed, "none"), recipients=()),
        objects=NO_OBJECTS, config=False,
    )  # fmt: skip


def _in_backup(problem: Problem, backup_id: str) -> str:
    return problem.file.removeprefix(f"{backup_id}/")


def _contents(archive: Archive, broken: Sequence[str]) -> list[Entry]:
    """Return the table of contents; a damaged one says nothing that could be believed."""
    try:
        if CONTENTS not in broken:
            return archive.entries()
        why = f"{CONTENTS} is damaged"
    except GavanError as error:
        why = error.message
    raise GavanError(
        "GV446",
        "the table of contents of the dump is damaged: nothing of the database can be had from it",
        details=why,
        hint="another backup: gavan backup list; the objects alone: gavan backup restore --objects",
        exit_code=5,
    )


def _is_lost(entry: Entry, broken: Sequence[str]) -> bool:
    """Say whether the rows of an entry are in a damaged file; what has no rows is never lost."""
    if not entry.has_data:
        return False
    numbers = {int(m[1]) for m in map(_DATA.fullmatch, broken) if m is not None}
    if entry.kind == "BLOBS":
        return any(_LARGE.fullmatch(path) for path in broken)
    return entry.id in numbers


def _roles(wish: Wish, admin: Secret) -> list[str]:
    try:
        text = roles_of(wish.folder, wish.made, wish.opener)
    except (GavanError, OSError, EOFError) as error:
        return [f"the roles cannot be read: {error}"]
    with connect_bare(maintenance(admin), "salvage") as connection:
        return apply_roles(connection, text, everything=False)


def _load(url: Secret, archive: Archive, entries: Sequence[Entry]) -> list[str]:
    """Load all that can be; a sealed stream is begun again for each stretch."""
    shape, rest = shape_of(entries)
    options = ("--no-tablespaces",)  # the disks of that server may be gone with it
    with loader(url) as role:
        with functions_as_owners(role):
            errors = pour(role, archive, shape, *options, tolerant=True).errors
        errors += pour(role, archive, rest, *options, tolerant=True).errors
    return errors


def _count(url: Secret, made: Manifest) -> list[Found]:
    with connect_bare(url, "salvage") as connection:
        there = count_rows(connection)
    wanted = {title: rows.count for title, rows in made.rows.items() if rows.exact}
    titles = sorted({*there, *wanted})
    return [Found(table=t, rows=there.get(t, 0), of=wanted.get(t)) for t in titles]
