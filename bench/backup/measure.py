"""One turn of each: our backup and restore with all their proofs, and the bare programs."""

from __future__ import annotations

import itertools
import os
import resource
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from psycopg.conninfo import make_conninfo

from bench.machine import cpu_s
from gavan.backups.listing import find
from gavan.backups.restore import Wish, restore
from gavan.backups.run import repository_of, run_backup
from gavan.backups.sealing import opener_for
from gavan.backups.swap import discard, kept_databases, maintenance
from gavan.database.access import access
from gavan.database.bootstrap import create_database
from gavan.database.embedded import ADMIN, Server
from gavan.database.migration.lock import connect_bare
from gavan.database.programs import libpq_environment, program
from gavan.database.reset import drop_database
from gavan.kit.secret import Secret
from gavan.stack.load import load_stack
from gavan.stack.model import Stack
from tests.servers import RolePasswords

DATABASE = "board"
BARE = "bare_restore"
JOBS = 2
COMPRESSION = "gzip:3"


@dataclass(slots=True)
class Turn:
    """Seconds of a turn; ``steps`` of ours by name.

    ``own_cpu`` is the processor time of who backs up or restores, ``server_cpu`` that of Postgres:
    both say the same on a busy machine.
    """

    seconds: float = 0.0
    own_cpu: float = 0.0
    server_cpu: float = 0.0
    steps: dict[str, float] = field(default_factory=dict)


class Bench:
    """A stack over the database of a server, in a folder of its own."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.folder = folder
        self.admin = Secret(server.url(ADMIN, database=DATABASE).reveal())
        known = server.passwords
        first = (server.data_dir / "postmaster.pid").read_text().split("\n", 1)[0]
        self._postmaster = psutil.Process(int(first))
        self._keys = RolePasswords(
            postgres_password=known["postgres"],
            authenticator_password=known["authenticator"],
            auth_admin_password=known["supabase_auth_admin"],
            admin_password=known[ADMIN],
            storage_admin_password=known["supabase_storage_admin"],
            realtime_admin_password=known["supabase_realtime_admin"],
        )
        self._numbers = itertools.count()
        folder.mkdir()
        (folder / "gavan.toml").write_text(
            f'[stack]\nname = "bench"\n[database]\nport = {server.port}\nname = "{DATABASE}"\n'
        )

    @property
    def stack(self) -> Stack:
        return load_stack(self.folder / "gavan.toml", environ={})

    @property
    def blobs(self) -> Path:
        return self.stack.state_dir / "storage"

    def forget(self) -> None:
        """Put all backups of both aside."""
        for name in ("backups", "bare"):
            self._throw_away(self.folder / name)

    def _throw_away(self, folder: Path) -> None:
        """Move a folder to where the end of the bench removes it.

        For a minute after files were removed ext4 looks long for a place for new ones (linux:
        recently_deleted in fs/ext4/ialloc.c): the next turn would pay.
        """
        folder.rename(self.folder / f"old-{next(self._numbers)}")

    def backup(self) -> Turn:
        """Run our backup."""
        turn = Turn()
        return self._timed(turn, lambda: run_backup(self.stack, self._keys, _steps(turn)))

    def restore(self) -> Turn:
        """Restore our newest backup; what it replaced is dropped afterwards."""
        stack, turn = self.stack, Turn()
        repository = repository_of(stack)
        made = find(repository, "latest").manifest
        assert made is not None
        wish = Wish(
            stack=stack, access=access(stack, self._keys, environ={}), repository=repository,
            made=made, opener=opener_for(made.encryption, None), report=_steps(turn), jobs=JOBS,
        )  # fmt: skip
        self._throw_away(self.blobs)
        self._timed(turn, lambda: restore(wish))
        discard(self.admin, kept_databases(self.admin))
        return turn

    def bare_backup(self) -> Turn:
        """Run pg_dump with the same compression, copy the objects, and wait for the disk."""
        target = self.folder / "bare"
        target.mkdir()

        def run() -> None:
            self._run("pg_dump", f"--jobs={JOBS}", "--format=directory", "--no-sync",
                      f"--compress={COMPRESSION}", f"--file={target / 'db'}")  # fmt: skip
            _copy(self.blobs, target / "storage")

        return self._timed(Turn(), run)

    def bare_restore(self) -> Turn:
        """Run pg_restore into a new database, copy the objects back, and wait for the disk."""
        back = self.folder / "back"
        with connect_bare(maintenance(self.admin), "bench") as connection:

            def run() -> None:
                create_database(connection, BARE)
                self._run("pg_restore", f"--jobs={JOBS}", f"--dbname={BARE}",
                          str(self.folder / "bare" / "db"))  # fmt: skip
                _copy(self.folder / "bare" / "storage", back)

            turn = self._timed(Turn(), run)
            drop_database(connection, BARE)
        self._throw_away(back)
        return turn

    def _timed(self, turn: Turn, work: Callable[[], object]) -> Turn:
        self._rest()
        before, servers = _own_cpu(), _server_cpu(self._postmaster)
        began = time.perf_counter()
        work()
        turn.seconds = time.perf_counter() - began
        turn.own_cpu = _own_cpu() - before
        turn.server_cpu = _server_cpu(self._postmaster) - servers
        return turn

    def _rest(self) -> None:
        """Let the disk have what earlier turns wrote, so that no turn pays for another."""
        with connect_bare(self.admin, "bench") as connection:
            connection.execute("checkpoint")
        os.sync()

    def _run(self, name: str, *arguments: str) -> None:
        url = Secret(make_conninfo(self.admin.reveal()))
        subprocess.run([str(program(name)), *arguments], env=libpq_environment(url), check=True)


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-r", str(source), str(target)], check=True)
    subprocess.run(["sync", "-f", str(target)], check=True)


def _own_cpu() -> float:
    """Return the processor time of this process and of the programs that it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _server_cpu(postmaster: psutil.Process) -> float:
    """Return the processor time of a server, its ended sessions among it."""
    ended = postmaster.cpu_times()
    return cpu_s(postmaster) + ended.children_user + ended.children_system


def _steps(turn: Turn) -> Callable[[str, str, str], None]:
    began: dict[str, float] = {}

    def report(step: str, state: str, _detail: str) -> None:
        name = "verify" if step.startswith("20") else step
        if state == "start":
            began[name] = time.perf_counter()
        elif state in ("ok", "warn") and name in began:
            turn.steps[name] = time.perf_counter() - began[name]

    return report
