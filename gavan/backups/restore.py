"""`gavan backup restore`: the whole road from a backup to a database that is in use again.

Stands above the load, the checks and the swap. Everything happens beside what runs; only when the
new database is proved to be what was dumped does it take the name of the old one, which is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from gavan.backups import manifest
from gavan.backups.archive import Archive, read_globals
from gavan.backups.birth import Birth
from gavan.backups.checks import check_head, check_rows, check_schema
from gavan.backups.dump import ARCHIVE, FOLDER, GLOBALS
from gavan.backups.layout import Repository
from gavan.backups.listing import Entry, find
from gavan.backups.load import Source, analyze, fresh_database, fresh_name, load
from gavan.backups.model import Kind, Manifest, Report
from gavan.backups.objects import read_index
from gavan.backups.put_back import PutBack, Shelf, put_back, target_of
from gavan.backups.roles import lost_tablespaces, without_password
from gavan.backups.rows import Replaced, Table, load_tables, replace_rows
from gavan.backups.sealing import Opener
from gavan.backups.space import require_room, room_at
from gavan.backups.stop import Stop
from gavan.backups.swap import exists, maintenance, name_before, rename, swap
from gavan.backups.verify import Problem, verify
from gavan.database.access import Access
from gavan.database.bootstrap import bootstrap
from gavan.database.embedded import ADMIN
from gavan.database.migration.lock import connect_bare
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from gavan.kit.size import in_bytes
from gavan.stack.model import Stack

GROWTH = 1.2
"""A database may be so much larger when it is filled again"""
TICK_S = 0.25
NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to restore. ``jobs`` tables are filled at once.

    ``to``: keep the database beside, under this name. ``only``: the rows of these tables and
    nothing else. ``with_objects``: also the bytes that restored rows need.
    """

    stack: Stack
    access: Access
    repository: Repository
    made: Manifest
    opener: Opener
    report: Report
    to: str | None = None
    only: tuple[Table, ...] = ()
    with_objects: bool = True
    jobs: int = 2

    @property
    def folder(self) -> Path:
        return self.repository.folder(self.made.id)

    def verify(self, *, with_objects: bool = True) -> list[Problem]:
        """Return what is wrong with the backup: bytes, or a manifest by another hand."""
        return verify(
            self.repository, self.made.id, self.report, key=self._key, with_objects=with_objects
        )

    @property
    def doubts(self) -> list[str]:
        """What a person should know of a backup that is whole: another stack may have made it."""
        doubt = manifest.check_signature(self.folder, self._key)
        return [doubt] if doubt else []

    @property
    def _key(self) -> bytes:
        return manifest.signing_key(self.access.passwords[ADMIN])

    @property
    def admin(self) -> Secret:
        """The URL of the superuser; raise GavanError GV442 for a server that is not ours."""
        if self.access.admin is None:
            raise GavanError(
                "GV442",
                "this server is not ours to make databases on",
                hint="write files that its own tools can load: gavan backup restore"
                f" {self.made.id} --portable FOLDER",
                exit_code=2,
            )
        return self.access.admin


@dataclass(slots=True, kw_only=True)
class Restored:
    """What is there now. ``kept``: the name of the database that was replaced, if one was."""

    backup: str
    database: str
    kept: str | None = None
    rows: str = ""
    tables: list[Replaced] = field(default_factory=list)
    objects: PutBack | None = None
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0


def restore(wish: Wish) -> Restored:
    """Restore a logical backup; the former database serves until the very end.

    Raises GavanError, with everything as it was: GV441 the backup is damaged (exit code 5), GV405
    no room, GV412 no key, GV435 it does not load, GV439 it is not what was dumped, GV434 the old
    one is in use, GV440 not a logical one, GV442 a server that is not ours.
    """
    began = time.monotonic()
    require_logical(wish.made)
    admin = wish.admin
    # The bytes of objects are read once: they are proved while they are put back.
    are_put_back = wish.with_objects and not wish.only
    prove(wish, with_objects=not are_put_back)
    _require_room(wish)
    if wish.to is not None:
        _require_free(admin, wish.to)
    restored = Restored(
        backup=wish.made.id, database=wish.to or wish.access.database, warnings=wish.doubts
    )
    if wish.only:
        _restore_tables(wish, admin, restored)
    else:
        with _objects_meanwhile(wish) as objects:
            _restore_database(wish, admin, restored, objects)
    restored.seconds = time.monotonic() - began
    return restored


def find_logical(repository: Repository, name: str) -> Entry:
    """Return one backup as ``find`` does, of the latest the latest dump; raise GavanError GV400."""
    dumps = [one for one in repository.ids() if f"-{Kind.LOGICAL}-" in one]
    return find(repository, dumps[-1] if name == "latest" and dumps else name)


def archive_of(
    folder: Path, made: Manifest, opener: Opener, jobs: int, heard: Callable[[int], None]
) -> Archive:
    """Return the dump in the folder of a backup."""
    path = folder / FOLDER
    if not path.is_dir():
        path = folder / stored_name(made, ARCHIVE)
    return Archive(path=path, opener=opener, jobs=jobs, heard=heard)


def roles_of(folder: Path, made: Manifest, opener: Opener) -> str:
    """Return the dump of roles in the folder of a backup."""
    return read_globals(folder / stored_name(made, GLOBALS), opener)


def require_logical(made: Manifest) -> None:
    """Raise GavanError GV440 for a backup that is no dump."""
    if made.kind is not Kind.LOGICAL:
        raise GavanError(
            "GV440",
            f"{made.id} is a physical backup: it is the beginning of a road through time",
            hint="gavan backup restore --at TIME",
            exit_code=2,
        )


def prove(wish: Wish, *, with_objects: bool = True) -> None:
    """Read every byte of a backup; raise GavanError GV441, exit 5, that names what is damaged."""
    problems = wish.verify(with_objects=with_objects)
    if problems:
        raise damaged(wish.made, problems)


def damaged(made: Manifest, problems: Sequence[Problem]) -> GavanError:
    """Return the refusal of a backup that is not what was written."""
    lines = [f"{problem.file}: {problem.what}" for problem in problems]
    more = [f"and {len(lines) - NAMED} more"] if len(lines) > NAMED else []
    return GavanError(
        "GV441",
        f"the backup {made.id} is damaged, nothing was restored",
        details="\n".join([*lines[:NAMED], *more]),
        hint="restore another one (gavan backup list), or what is intact of it:"
        f" gavan backup restore {made.id} --salvage",
        exit_code=5,
    )


@contextmanager
def _objects_meanwhile(wish: Wish) -> Iterator[Future[PutBack] | None]:
    """Put objects back beside the load, which waits for other things; a block that fails ends it.

    Nothing is lost with those that are there already: no byte of a version ever changes.
    """
    if not wish.with_objects:
        yield None
        return
    stop = Stop()
    with ThreadPoolExecutor(1, thread_name_prefix="objects") as pool:
        try:
            yield pool.submit(_prove_objects, wish, stop)
        except BaseException:
            stop.set()
            raise


def _prove_objects(wish: Wish, stop: Stop) -> PutBack:
    """Put objects back and prove all of them; raise GavanError GV441 that names what is damaged."""
    try:
        return restore_objects(wish, stop, proves=True)
    except GavanError as error:
        wish.report("objects", "fail", error.message)
        if error.code == "GV438":
            prove(wish)
        raise


def restore_objects(wish: Wish, stop: Stop | None = None, *, proves: bool = False) -> PutBack:
    """Put back the bytes of objects that the stack does not have any more, until ``stop``.

    ``proves``: what is damaged in the backups is an error (GV438), and not counted as lost.
    """
    wish.report("objects", "start", "")
    shelf = Shelf(repository=wish.repository, opener=wish.opener, proves=proves)
    entries = read_index(wish.folder, wish.made.files, wish.opener)
    total = wish.made.objects.count
    told = ticking(wish.report, "objects", lambda done: f"{done} of {total}")

    def heard(done: int) -> None:
        if stop is not None:
            stop.check()
        told(done)

    found = put_back(shelf, entries, target_of(wish.stack), heard)
    said = f"{found.added} put back ({in_bytes(found.added_bytes)}), {found.there} were there"
    wish.report("objects", "warn" if found.lost_count else "ok", said)
    return found


def object_warnings(made: Manifest, found: PutBack) -> list[str]:
    """Return what a person must know of objects: rows that point to no bytes."""
    if not found.lost_count:
        return []
    more = ", ..." if found.lost_count > len(found.lost) else ""
    return [
        f"{found.lost_count} objects have rows and no bytes, as when {made.id} was made:"
        f" {', '.join(found.lost)}{more}"
    ]


def ticking(report: Report, step: str, said: Callable[[int], str]) -> Callable[[int], None]:
    """Return what tells how far a step is, now and then."""
    told = time.monotonic()

    def heard(done: int) -> None:
        nonlocal told
        if time.monotonic() - told > TICK_S:
            told = time.monotonic()
            report(step, "tick", said(done))

    return heard


def _restore_database(
    wish: Wish, admin: Secret, restored: Restored, objects: Future[PutBack] | None
) -> None:
    made, report = wish.made, wish.report
    fresh = fresh_name(wish.access.database, made.id)
    known = _without_password(admin)
    with fresh_database(admin, fresh, birth_of(wish), restored.warnings.append) as url:
        restored.warnings += _lost_disks(wish, admin)
        restored.warnings += fill(wish, url, on_new_server=_is_new_server(wish, admin))
        restored.rows = prove_database(url, made, report)
        settle(wish, url)
        restored.warnings += [
            f"the role {role} was made again and has no password: no backup holds any"
            for role in sorted(_without_password(admin) - known)
        ]
        if objects is not None:
            restored.objects = objects.result()
            restored.warnings += object_warnings(made, restored.objects)
        if wish.to is not None:
            rename(admin, fresh, wish.to)
            return
        report("swap", "start", "")
        swapped = swap(admin, fresh, name_before(wish.access.database, datetime.now(UTC)))
        report("swap", "ok", f"the old one is {swapped.kept}" if swapped.kept else "")
    restored.kept = swapped.kept
    if swapped.slots:
        restored.warnings.append(
            f"replication slots stayed with {swapped.kept}: {', '.join(swapped.slots)};"
            " whoever reads them needs new ones"
        )
    if swapped.subscriptions:
        restored.warnings.append(
            f"subscriptions stayed with {swapped.kept} and still fill it:"
            f" {', '.join(swapped.subscriptions)}; disable them there, then enable those of here:"
            " alter subscription NAME enable"
        )
    _tell_api(admin)


def birth_of(wish: Wish) -> Birth:
    """Return what the database of a backup was made with."""
    return Birth.of(archive_of(wish.folder, wish.made, wish.opener, 1, lambda _count: None))


def _is_new_server(wish: Wish, admin: Secret) -> bool:
    """Say whether the roles here are those of another server: then they take what was dumped."""
    with connect_bare(maintenance(admin), "restore") as connection:
        row = connection.execute("select system_identifier::text from pg_control_system()")
        ((here,),) = row.fetchall()
    return wish.made.system_identifier not in ("", str(here))


def _lost_disks(wish: Wish, admin: Secret) -> list[str]:
    with connect_bare(maintenance(admin), "restore") as connection:
        lost = lost_tablespaces(connection, roles_of(wish.folder, wish.made, wish.opener))
    if not lost:
        return []
    return [f"tablespaces that this server does not have: {', '.join(lost)}; their tables are with"
            " the others now"]  # fmt: skip


def fill(wish: Wish, url: Secret, *, on_new_server: bool) -> list[str]:
    """Fill the empty database of ``url``; return what a person should know of it."""
    tables = len(wish.made.rows)
    heard = ticking(wish.report, "tables", lambda done: f"{done} of {tables}")
    source = Source(
        archive=archive_of(wish.folder, wish.made, wish.opener, wish.jobs, heard),
        roles=roles_of(wish.folder, wish.made, wish.opener),
        on_new_server=on_new_server,
    )
    refused = load(url, source, wish.report)
    return [f"Postgres refused: {text}" for text in refused]


def prove_database(url: Secret, made: Manifest, report: Report) -> str:
    """Compare a filled database with the manifest; raise GavanError GV439. Return the rows."""
    report("checks", "start", "")
    with connect_bare(url, "restore") as connection:
        try:
            counting = ticking(report, "checks", lambda done: f"{done} of {len(made.rows)} tables")
            rows = check_rows(connection, made.rows, counting)
            check_schema(connection, made)
            head = check_head(connection, made)
        except GavanError as error:
            report("checks", "fail", error.message)
            raise
    report("checks", "ok", f"{rows}; migration {head}")
    return rows


def settle(wish: Wish, url: Secret) -> None:
    """Bring a proved database up to this version of the system schemas, with its passwords."""
    wish.report("system schemas", "start", "")
    applied = bootstrap(url, wish.access.passwords)
    analyze(url, wish.jobs)
    wish.report("system schemas", "ok", f"{len(applied)} applied" if applied else "up to date")


def _restore_tables(wish: Wish, admin: Secret, restored: Restored) -> None:
    titles = ", ".join(table.title for table in wish.only)
    fresh = fresh_name(wish.access.database, wish.made.id)
    heard = ticking(wish.report, "tables", lambda done: f"{done}")
    archive = archive_of(wish.folder, wish.made, wish.opener, wish.jobs, heard)
    with fresh_database(admin, fresh, birth_of(wish)) as url:
        wish.report("tables", "start", titles)
        load_tables(url, archive, wish.only)
        wish.report("tables", "ok", titles)
        if wish.to is not None:
            rename(admin, fresh, wish.to)
            return
        wish.report("rows", "start", titles)
        restored.tables = replace_rows(admin, url, wish.only, datetime.now(UTC))
        wish.report("rows", "ok", ", ".join(f"{t.rows} in {t.table}" for t in restored.tables))


def _require_room(wish: Wish) -> None:
    data = wish.stack.state_dir / "data"
    if data.exists():
        data = data.resolve()
        require_room(room_at(data), int(wish.made.database_bytes * GROWTH), data)


def _require_free(admin: Secret, name: str) -> None:
    with connect_bare(maintenance(admin), "restore") as connection:
        if exists(connection, name):
            raise GavanError(
                "GV445",
                f"there is a database {name} already",
                hint="another name, or drop it first",
                exit_code=2,
            )


def _without_password(admin: Secret) -> frozenset[str]:
    with connect_bare(maintenance(admin), "restore") as connection:
        return without_password(connection)


def _tell_api(admin: Secret) -> None:
    """Let every PostgREST that listens read the schema anew; ours does so when it reconnects."""
    with connect_bare(admin, "restore") as connection:
        connection.execute("notify pgrst, 'reload config'")
        connection.execute("notify pgrst, 'reload schema'")


def stored_name(made: Manifest, name: str) -> str:
    """Return the name of a file with the suffix of its seal; raise GavanError GV401 without it."""
    found = next(
        (f.path for f in made.files if f.path in (name, f"{name}.age", f"{name}.gpg")), None
    )
    if found is None:
        raise GavanError("GV401", f"the backup {made.id} has no file {name}", exit_code=5)
    return found
