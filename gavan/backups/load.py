"""Fill a new database from a dump: roles, the archive, the settings of the database, statistics.

Stands between the archive and the roads that use it: restore, drill, salvage. The database is made
here under a name of its own and is nobody's until its caller renames it.
"""

from __future__ import annotations

import itertools
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import sql
from psycopg.conninfo import make_conninfo

from gavan.backups.archive import Archive, Entry, Said, failed, list_file
from gavan.backups.birth import AS_HERE, Birth
from gavan.backups.keys import Key, keys_to_the_strong, make_all
from gavan.backups.loader import Loader, functions_as_owners, loader
from gavan.backups.model import Report
from gavan.backups.roles import apply_roles, apply_settings, lost_tablespaces
from gavan.backups.swap import MAINTENANCE, exists, maintenance, shortened
from gavan.database.migration.history import Connection
from gavan.database.migration.lock import connect_bare
from gavan.database.programs import libpq_environment, program
from gavan.database.reset import drop_database
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

LOCK = 0x6761_7603  # with the hash of the name: "somebody fills this database"
RESTORE = "_restore_"
_UNFINISHED = re.compile(r".+_restore_\d{8}t\d{6}z_[0-9a-f]{6}")
# Whoever is killed starts anew: nothing has to reach the disk before the end.
OPTIONS = (
    "-c synchronous_commit=off -c maintenance_work_mem=256MB -c statement_timeout=0"
    " -c lock_timeout=0 -c idle_in_transaction_session_timeout=0"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is loaded: the archive and the text of the globals. ``left_out`` is not loaded."""

    archive: Archive
    roles: str
    on_new_server: bool
    """Whether roles that are there take the attributes of the dump."""
    left_out: frozenset[int] = frozenset()


def fresh_name(database: str, backup_id: str) -> str:
    """Return the name of a database while it is filled from a backup."""
    stamp, _, tail = backup_id.lower().partition("-")
    return shortened(database, f"{RESTORE}{stamp}_{tail.rpartition('-')[2]}")


def _ignored(_doubt: str) -> None:
    """Hear nothing."""


@contextmanager
def fresh_database(
    admin: Secret, name: str, birth: Birth = AS_HERE, doubt: Callable[[str], None] = _ignored
) -> Iterator[Secret]:
    """Yield the URL of a new empty database; one that still has this name afterwards is dropped.

    What killed runs left is dropped first. ``doubt`` hears what of ``birth`` cannot be had here.
    Raises GavanError GV437 when somebody fills it now.
    """
    with connect_bare(maintenance(admin), "restore") as keeper:
        _drop_forgotten(keeper, admin)
        if not _hold(keeper, name):
            raise GavanError(
                "GV437",
                f"another run restores into {name} now",
                hint="wait for it",
                exit_code=4,
            )
        if exists(keeper, name):
            drop_database(keeper, name)
        birth.create(keeper, name, doubt)
        url = Secret(make_conninfo(admin.reveal(), dbname=name))
        try:
            yield url
        finally:
            if exists(keeper, name):
                _forget_subscriptions(url)
                drop_database(keeper, name)


def load(url: Secret, source: Source, report: Report) -> list[str]:
    """Fill the empty database of ``url``; return what of roles and settings Postgres refused.

    Raises GavanError GV435 when pg_restore fails; what it did until then is there.
    """
    refused = []
    report("roles", "start", "")
    with connect_bare(
        Secret(make_conninfo(url.reveal(), dbname=MAINTENANCE)), "restore"
    ) as connection:
        refused += apply_roles(connection, source.roles, everything=source.on_new_server)
        lacks = lost_tablespaces(connection, source.roles)
    report("roles", "warn" if refused else "ok", "; ".join(refused))
    report("tables", "start", "")
    said = _pour(url, source, *(("--no-tablespaces",) if lacks else ()))
    if said is not None:
        report("tables", "fail", str(said))
        raise said
    with connect_bare(url, "restore") as connection:
        refused += apply_settings(
            connection,
            source.archive.text_of_database(_is_of_database),
            str(connection.info.dbname),
        )
    report("tables", "ok", "")
    return refused


def _is_of_database(entry: Entry) -> bool:
    about = entry.kind in ("ACL", "COMMENT") and entry.name.startswith("DATABASE ")
    return entry.kind == "DATABASE PROPERTIES" or (about and entry.schema == "-")


def analyze(url: Secret, jobs: int) -> None:
    """Let the planner know the new tables; a failure is not worth a restore."""
    subprocess.run(
        [str(program("vacuumdb")), "--analyze-only", "--quiet", "--jobs", str(jobs)],
        env=libpq_environment(url),
        capture_output=True,
        check=False,
    )


def loading_environment(url: Secret) -> dict[str, str]:
    """Return the environment of a program that fills a database."""
    return {**libpq_environment(url), "PGOPTIONS": OPTIONS, "PGAPPNAME": "gavan-restore"}


def pour(
    loader: Loader,
    archive: Archive,
    entries: Sequence[Entry],
    *options: str,
    tolerant: bool = False,
) -> Said:
    """Restore entries in their order, each by whom it may be restored; say how it ended.

    ``tolerant``: go on after errors, as pg_restore does without ``--exit-on-error``.
    """
    errors: list[str] = []
    for stretch in loader.stretches(entries):
        more, keys = options, list[Key]()
        wanted: Sequence[Entry] = stretch.entries
        if stretch.makes_for is not None:
            loader.may_create(entry.schema for entry in stretch.entries)
            more = (*options, "--no-owner")
        if stretch.url is loader.url:
            wanted, keys = keys_to_the_strong(loader, archive, wanted)
        said = _restore(archive, stretch.url, wanted, *more, tolerant=tolerant)
        errors += said.errors
        if said.code != 0 and not tolerant:
            return said
        errors += (refused := make_all(loader, keys))
        if refused and not tolerant:
            return Said(code=1, errors=errors)
        if stretch.makes_for is not None and "--no-owner" not in options:
            loader.give_all_to(stretch.makes_for)
    return Said(code=0, errors=errors)


def _restore(
    archive: Archive, url: Secret, entries: Sequence[Entry], *options: str, tolerant: bool
) -> Said:
    if not entries:
        return Said(code=0, errors=[])
    with list_file(entries) as name:
        return archive.load(
            loading_environment(url), "--use-list", name, *options, tolerant=tolerant
        )


def shape_of(entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Return what comes before the first rows of a dump, and the rest."""
    shape = list(itertools.takewhile(lambda entry: not entry.has_data, entries))
    return shape, list(entries[len(shape) :])


def _pour(url: Secret, source: Source, *options: str) -> GavanError | None:
    shape, rest = shape_of([e for e in source.archive.entries() if e.id not in source.left_out])
    with loader(url) as role:
        with functions_as_owners(role):
            said = pour(role, source.archive, shape, "--exit-on-error", *options)
            if said.code != 0:
                return failed(said)
        said = pour(role, source.archive, rest, "--exit-on-error", *options)
    return failed(said) if said.code != 0 else None


def _forget_subscriptions(url: Secret) -> None:
    """Let go of subscriptions, which hold a database; none of them was ever switched on here."""
    with connect_bare(url, "restore") as connection:
        rows = connection.execute(
            "select subname::text from pg_subscription where subdbid = "
            "(select oid from pg_database where datname = current_database())"
        ).fetchall()
        for (name,) in rows:
            for what in ("alter subscription {} set (slot_name = none)", "drop subscription {}"):
                connection.execute(sql.SQL(what).format(sql.Identifier(str(name))))


def _drop_forgotten(keeper: Connection, admin: Secret) -> None:
    """Drop databases that a killed run was filling: nobody holds their lock."""
    rows = keeper.execute("select datname from pg_database").fetchall()
    for name in [str(name) for (name,) in rows if _UNFINISHED.fullmatch(str(name))]:
        if _hold(keeper, name):
            if exists(keeper, name):
                _forget_subscriptions(Secret(make_conninfo(admin.reveal(), dbname=name)))
                drop_database(keeper, name)
            keeper.execute("select pg_advisory_unlock(%s, hashtext(%s))", (LOCK, name))


def _hold(keeper: Connection, name: str) -> bool:
    row = keeper.execute("select pg_try_advisory_lock(%s, hashtext(%s))", (LOCK, name)).fetchone()
    return bool(row and row[0])
