"""`gavan backup drill`: restore a backup where nobody works, look at it, remove everything.

Stands above the same road as the restore, on a throw-away cluster with a core of its own. Every
question is asked that can be: one failure does not hide the next.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom

import httpx
import psycopg
from psycopg.conninfo import make_conninfo

from gavan.backups.checks import (
    ask_questions,
    check_head,
    check_migrations,
    check_pages,
    check_rows,
    check_schema,
    differs,
)
from gavan.backups.listing import backups
from gavan.backups.load import fresh_database, fresh_name
from gavan.backups.model import Manifest
from gavan.backups.objects import IndexEntry, read_index
from gavan.backups.put_back import FolderTarget, Shelf, put_back
from gavan.backups.recover import Recovery, recovered
from gavan.backups.report import Check, Drilled, Outcome
from gavan.backups.restore import Wish, birth_of, damaged, fill, require_logical, settle
from gavan.backups.road import road_to, spans
from gavan.backups.scratch import Scratch, Wanted, scratch_cluster
from gavan.backups.sealing import Opener, opener_for
from gavan.backups.second_core import SecondCore, object_digest, second_core, sign_in
from gavan.backups.swap import name_before, swap
from gavan.backups.wal_archive import WalArchive
from gavan.database.access import OWNER
from gavan.database.embedded import ADMIN
from gavan.database.migration.lock import connect, connect_bare
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from gavan.kit.size import in_bytes
from gavan.kit.version import VERSION

SAMPLE = 50
BUSY = "GV431"
FOLDER = "scratch"
# What names places, other servers or the share of the machine is the real server's alone.
_NOT_SHARED = re.compile(
    r"port|listen_addresses|unix_socket_.*|.*_file|.*_directory|archive_.*|restore_command"
    r"|primary_.*|synchronous_standby_names|shared_buffers|huge_pages.*"
)
_RANDOM = SystemRandom()


@dataclass(slots=True, kw_only=True)
class _Notes:
    """What was asked until now."""

    wish: Wish
    checks: list[Check] = field(default_factory=list)

    def ask(self, name: str, question: Callable[[], str]) -> bool:
        """Ask, note the answer with its time, and say whether it was good."""
        self.wish.report(name, "start", "")
        began = time.monotonic()
        try:
            detail, outcome = question(), Outcome.OK
        except (GavanError, psycopg.Error, httpx.HTTPError, OSError) as error:
            detail, outcome = _said(error), Outcome.FAIL
        self.add(name, outcome, detail, time.monotonic() - began)
        return outcome is Outcome.OK

    def fail(self, name: str, error: GavanError) -> None:
        """Note what stopped everything else."""
        self.add(name, Outcome.FAIL, _said(error), 0.0)

    def skip(self, name: str, why: str) -> None:
        """Note that a question could not be asked, or has no sense here."""
        self.add(name, Outcome.SKIP, why, 0.0)

    def add(self, name: str, outcome: Outcome, detail: str, seconds: float) -> None:
        """Note an answer."""
        self.checks.append(Check(name=name, outcome=outcome, detail=detail, seconds=seconds))
        self.wish.report(name, outcome.value, detail.splitlines()[0] if detail else "")


def drill(wish: Wish, *, sample: int = SAMPLE) -> Drilled:
    """Restore ``wish.made`` on a throw-away cluster and ask everything; return the answers.

    ``sample``: so many objects are fetched from the core. Raises GavanError GV431 when another
    drill is at work, GV440 for a backup that is not logical.
    """
    require_logical(wish.made)
    started, began = datetime.now(UTC), time.monotonic()
    notes = _Notes(wish=wish)
    rto_s: float | None = None
    if notes.ask("checksums", lambda: _verified(wish)):
        starting = time.monotonic()
        wish.report("cluster", "start", "")
        try:
            with scratch_cluster(_wanted(wish)) as scratch:
                said = f"Postgres on port {scratch.server.port}"
                notes.add("cluster", Outcome.OK, said, time.monotonic() - starting)
                rto_s = _Rehearsal(notes, scratch, sample, began).run()
                _ask_moment(notes, scratch)
        except GavanError as error:
            if error.code == BUSY:
                raise
            notes.fail("cluster", error)
    return Drilled(
        stack=wish.stack.name,
        backup=wish.made.id,
        started=started,
        ended=datetime.now(UTC),
        rto_s=rto_s,
        rpo_s=(started - wish.made.started).total_seconds(),
        database_bytes=wish.made.database_bytes,
        tool_version=VERSION,
        checks=tuple(notes.checks),
    )


def refused(stack: str, backup_id: str, why: str) -> Drilled:
    """Return the drill of a backup that cannot even be read."""
    now = datetime.now(UTC)
    check = Check(name="checksums", outcome=Outcome.FAIL, detail=why, seconds=0.0)
    return Drilled(
        stack=stack, backup=backup_id, started=now, ended=now, rto_s=None, rpo_s=0.0,
        database_bytes=0, tool_version=VERSION, checks=(check,),
    )  # fmt: skip


class _Rehearsal:
    """What is done and asked while the throw-away cluster runs."""

    def __init__(self, notes: _Notes, scratch: Scratch, sample: int, began: float) -> None:
        self._notes = notes
        self._scratch = scratch
        self._sample = sample
        self._began = began
        wish = notes.wish
        access = replace(wish.access, passwords=scratch.passwords, port=scratch.server.port)
        self._wish = replace(wish, access=access)
        self._made = wish.made
        self._database = wish.made.database

    def run(self) -> float | None:
        """Ask everything; return the seconds until a core answered, None when none did."""
        if not self._notes.ask("restore", self._restore):
            return None
        rto_s = self._with_core()
        admin, owner = (self._scratch.url(role, self._database) for role in (ADMIN, OWNER))
        folder = self._wish.stack.database.migrations.dir
        self._notes.ask("migrations", lambda: check_migrations(owner, folder))
        self._ask_questions(owner)
        # Last, because it adds an extension.
        self._notes.ask("pages", lambda: check_pages(admin, self._wish.jobs))
        return rto_s

    def _restore(self) -> str:
        admin = self._scratch.url(ADMIN)
        fresh = fresh_name(self._database, self._made.id)
        doubts: list[str] = []
        with fresh_database(admin, fresh, birth_of(self._wish), doubts.append) as url:
            refused = fill(self._wish, url, on_new_server=True)
            if refused:
                raise differs("Postgres refused parts of the dump", refused)
            # Before the system schemas are brought up to date, which may change them.
            with connect_bare(url, "drill") as connection:
                self._notes.ask("rows", lambda: check_rows(connection, self._made.rows))
                self._notes.ask("schema", lambda: check_schema(connection, self._made))
                self._notes.ask("history", lambda: check_head(connection, self._made))
            settle(self._wish, url)
            _move(admin, fresh, self._database)
        said = f"{in_bytes(self._made.database_bytes)} on the server it came from"
        return "; ".join([said, *doubts])

    def _with_core(self) -> float | None:
        """Ask what only a core can answer; return when it began to answer."""
        blobs = self._scratch.folder / "blobs"
        chosen = self._choose()
        self._notes.ask("objects put back", lambda: self._put_back(chosen, blobs))
        schemas = self._wish.stack.core.schemas
        answered: list[float] = []

        def started() -> str:
            core = held.enter_context(second_core(self._scratch, self._database, schemas, blobs))
            answered.append(time.monotonic() - self._began)
            cores.append(core)
            return core.url

        cores: list[SecondCore] = []
        with ExitStack() as held:
            if self._notes.ask("core", started):
                core = cores[0]
                self._notes.ask("sign-in", lambda: sign_in(core))
                self._ask_objects(core, chosen)
        return answered[0] if answered else None

    def _choose(self) -> list[IndexEntry]:
        """Draw objects by chance, each as likely, without having all of them in memory."""
        folder = self._wish.folder
        chosen: list[IndexEntry] = []
        there = (e for e in read_index(folder, self._made.files, self._wish.opener) if e.blob)
        for number, entry in enumerate(there):
            if len(chosen) < self._sample:
                chosen.append(entry)
            elif (place := _RANDOM.randrange(number + 1)) < self._sample:
                chosen[place] = entry
        return chosen

    def _put_back(self, chosen: list[IndexEntry], blobs: Path) -> str:
        blobs.mkdir(mode=0o700)
        shelf = Shelf(repository=self._wish.repository, opener=self._wish.opener)
        found = put_back(shelf, chosen, FolderTarget(blobs), lambda _count: None)
        if found.lost_count:
            raise differs("objects cannot be put back", found.lost)
        return f"{found.added} of {self._made.objects.count} by chance"

    def _ask_objects(self, core: SecondCore, chosen: list[IndexEntry]) -> None:
        if chosen:
            self._notes.ask("objects served", lambda: _compare(core, chosen))
        else:
            self._notes.skip("objects served", "the backup has none")

    def _ask_questions(self, owner: Secret) -> None:
        questions = self._wish.stack.backup.drill.sql
        if not questions:
            self._notes.skip("questions", "[backup.drill] sql has none")
            return
        with connect(owner, "drill") as connection:
            self._notes.ask("questions", lambda: ask_questions(connection, questions))


def _ask_moment(notes: _Notes, scratch: Scratch) -> None:
    """Recover to the newest moment that the log leads to, beside the throw-away cluster."""
    wish, name = notes.wish, "point in time"
    if not wish.stack.backup.pitr.enabled:
        return
    entries, segments = backups(wish.repository), WalArchive(wish.repository).segments()
    reachable = spans(entries, segments)
    if not reachable:
        notes.skip(name, "there is no physical backup yet: gavan backup run --kind physical")
        return
    on = Recovery(
        root=wish.stack.root,
        moment=max(span.last for span in reachable),
        # The passwords are those of the stack: what is recovered has them in it.
        server=scratch.server,
        access=wish.access,
        repository=wish.repository,
        opener_of=lambda made: _opener(wish, made),
        report=wish.report,
    )

    def recover() -> str:
        with recovered(on, road_to(on.moment, entries, segments)) as found:
            return f"{on.moment.isoformat()} from {found.base}, {found.segments} segments"

    notes.ask(name, recover)


def _opener(wish: Wish, made: Manifest) -> Opener:
    """Return what opens a base: the keys at hand, when it is sealed like the dump."""
    is_alike = made.encryption.method == wish.made.encryption.method
    return wish.opener if is_alike else opener_for(made.encryption, None)


def _verified(wish: Wish) -> str:
    problems = wish.verify()
    if problems:
        raise damaged(wish.made, problems)
    return f"{len(wish.made.files)} files, {wish.made.objects.count} objects"


def _wanted(wish: Wish) -> Wanted:
    stack = wish.stack
    return Wanted(
        project=stack.root,
        place=stack.state_dir / FOLDER,
        bytes=wish.made.database_bytes,
        database=wish.made.database,
        settings={
            name: value
            for name, value in stack.database.settings.items()
            if not _NOT_SHARED.fullmatch(name.lower())
        },
    )


def _move(admin: Secret, fresh: str, database: str) -> None:
    """Give the filled database its own name; a new server has an empty ``postgres``."""
    aside = name_before(database, datetime.now(UTC))
    swap(Secret(make_conninfo(admin.reveal(), dbname=database)), fresh, aside)


def _compare(core: SecondCore, chosen: list[IndexEntry]) -> str:
    wrong = []
    with core.client() as client:
        for entry in chosen:
            found = object_digest(client, entry.bucket, entry.name)
            if entry.blob is not None and found != entry.blob.clear:
                wrong.append(f"{entry.bucket}/{entry.name}")
    if wrong:
        raise differs("objects are not what they were", wrong)
    return f"{len(chosen)} fetched, each with its digest"


def _said(error: Exception) -> str:
    """Return a failure in lines, the first of them enough."""
    if not isinstance(error, GavanError):
        return str(error).strip() or type(error).__name__
    return "\n".join(filter(None, [error.message, error.details]))
