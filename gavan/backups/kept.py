"""What restores keep of before: databases, rows, folders; how large it is, and the end of it.

Stands above the swap, the rows and the recovery, which keep it. What somebody uses stays.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import psutil
from psycopg import sql

from gavan.backups.rows import KEPT_SCHEMA, drop_kept, kept_tables
from gavan.backups.swap import BEFORE, discard, kept_databases, maintenance
from gavan.backups.wal import SPOOL
from gavan.database.migration.lock import connect_bare
from gavan.kit.secret import Secret
from gavan.kit.storage.disk import sync_folder

GOING = ".going"
_FOLDER = re.compile(r".+_before_(\d{8}T\d{6}Z)(?:\.going)?")
_STAMP = re.compile(r"before_(\d{14})")


class KeptKind(StrEnum):
    DATABASE = "database"
    ROWS = "rows"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One thing. ``since``: when a restore replaced it (UTC); ``user``: who uses it now, if anyone.

    ``name``: of a database, of a table with its schema, or the path of a folder.
    """

    kind: KeptKind
    name: str
    bytes: int
    since: datetime
    user: str = ""


def kept_folders(state_dir: Path) -> list[Kept]:
    """Return the data, and the received log, that recoveries to a moment replaced, oldest first."""
    data = state_dir / "data"
    beside = {(data.resolve().parent, data.resolve().name), (state_dir, SPOOL)}
    found = [one for folder, name in beside for one in _folders(folder, name)]
    return sorted(found, key=lambda one: (one.since, one.name))


def kept_on_server(admin: Secret) -> list[Kept]:
    """Return the databases and the rows that restores replaced, oldest first."""
    names = kept_databases(admin)
    with connect_bare(maintenance(admin), "kept") as connection:
        found = [
            Kept(
                kind=KeptKind.DATABASE, name=str(name), bytes=int(size), since=_since(str(name)),
                user=f"{count} clients" if count else "",
            )
            for name, size, count in connection.execute(
                "select datname, pg_database_size(oid), (select count(*) from pg_stat_activity as a"
                " where a.datid = d.oid and a.backend_type = 'client backend')"
                " from pg_database as d where datname = any(%s)",
                (names,),
            )
        ]  # fmt: skip
    with connect_bare(admin, "kept") as connection:
        for table in kept_tables(connection):
            named = sql.Identifier(KEPT_SCHEMA, table).as_string(connection)
            row = connection.execute(
                "select pg_total_relation_size(to_regclass(%s))", (named,)
            ).fetchone()
            found.append(
                Kept(kind=KeptKind.ROWS, name=f"{KEPT_SCHEMA}.{table}",
                     bytes=int((row and row[0]) or 0), since=_since(table))
            )  # fmt: skip
    return sorted(found, key=lambda one: (one.since, one.name))


def remove(admin: Secret | None, kept: Sequence[Kept]) -> None:
    """Remove what nobody uses of these; raise GavanError GV318 for a database that cannot go."""
    free = [one for one in kept if not one.user]
    by_kind = {kind: [one.name for one in free if one.kind is kind] for kind in KeptKind}
    if admin is not None:
        with connect_bare(admin, "discard") as connection:
            drop_kept(connection, [name.partition(".")[2] for name in by_kind[KeptKind.ROWS]])
        discard(admin, by_kind[KeptKind.DATABASE])
    for name in by_kind[KeptKind.FOLDER]:
        _remove(Path(name))


def _folders(beside: Path, name: str) -> Iterator[Kept]:
    for entry in os.scandir(beside) if beside.is_dir() else ():
        stamp = _FOLDER.fullmatch(entry.name)
        is_ours = entry.name.startswith(f"{name}{BEFORE}")
        if stamp is None or not is_ours or not entry.is_dir(follow_symlinks=False):
            continue
        path = Path(entry.path)
        since = datetime.strptime(stamp[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        yield Kept(
            kind=KeptKind.FOLDER, name=str(path), bytes=_size(path), since=since, user=_user(path)
        )


def _size(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(f"{root}/{name}").st_blocks * 512
            except FileNotFoundError:
                continue
    return total


def _user(folder: Path) -> str:
    """Return which Postgres runs on a folder, empty when none does."""
    try:
        pid = int((folder / "postmaster.pid").read_text().split("\n", 1)[0])
    except FileNotFoundError:
        return ""
    except (OSError, ValueError):
        return "its postmaster.pid cannot be read"
    return f"Postgres {pid}" if psutil.pid_exists(pid) else ""


def _remove(folder: Path) -> None:
    """Remove a folder; half removed it has another name, and nobody takes it for whole."""
    going = folder if folder.name.endswith(GOING) else folder.with_name(f"{folder.name}{GOING}")
    if going != folder:
        folder.rename(going)
        sync_folder(going.parent)
    shutil.rmtree(going)


def _since(name: str) -> datetime:
    found = _STAMP.search(name)
    if found is None:
        return datetime.fromtimestamp(0, UTC)
    return datetime.strptime(found[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
