"""Dump a database at a snapshot with pg_dump, and the roles of its server with pg_dumpall.

Stands beside the snapshot. Always the programs that come with gavan: an older or newer pg_dump of
the system is never used. Passwords travel by the environment.
"""

from __future__ import annotations

import gzip
import io
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gavan.backups.model import Heard, StoredFile
from gavan.backups.sealing import Clear, Sealer
from gavan.backups.snapshot import LOCK_TIMEOUT, Snapshot, Table
from gavan.backups.stop import Stop
from gavan.backups.stored import digest, disk_full, store, sync_file
from gavan.backups.streams import COMPRESSION
from gavan.database.distribution import find_distribution
from gavan.database.identifier import quote_identifier
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from gavan.kit.storage.disk import sync_folder

FOLDER = "db"
ARCHIVE = "db.dump"
GLOBALS = "globals.sql.gz"
MOST_JOBS = 4
POLL_S = 0.1
PROMISED = frozenset({"gavan.storage_jobs"})
"""Tables whose rows are in no backup: what a core has yet to do. A core over what was restored
would do it once more, and empty a bucket that was to be brought back."""
_FULL = ("No space left on device", "Disk quota exceeded", "File too large")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dump:
    """What to dump, and how; ``stop`` set ends it early, ``heard`` is told bytes written so far."""

    url: Secret
    snapshot: str
    folder: Path
    sealer: Sealer
    left_out: Sequence[Table]
    stop: Stop
    heard: Heard


def programs(major: int) -> Path:
    """Return the folder of the Postgres programs; raise GavanError GV430 when they are too old."""
    found = find_distribution()
    if found.major < major:
        raise GavanError(
            "GV430",
            f"the server is Postgres {major}, this gavan brings the programs of {found.major}",
            details="an older pg_dump refuses a newer server",
            hint="pip install --upgrade gavan",
            exit_code=7,
        )
    return found.bin


def left_out(snapshot: Snapshot) -> tuple[Table, ...]:
    """Return the tables that the role cannot read, and so cannot dump."""
    return tuple(table for table in snapshot.tables if not table.is_readable)


def dump_database(what: Dump, major: int) -> list[StoredFile]:
    """Write the dump of a database; return its files.

    In clear a folder with a file for each table, made by several jobs; sealed one stream, which is
    never on the disk in clear. Raises GavanError: GV406 the disk is full, GV407 pg_dump failed,
    GV430 the server is newer than our programs.
    """
    argv = [str(programs(major) / "pg_dump"), *_common(what)]
    if what.sealer.method == Clear.method:
        return _dump_folder(what, argv)
    return [_dump_sealed(what, argv)]


def dump_globals(url: Secret, major: int, folder: Path, sealer: Sealer) -> StoredFile:
    """Write the roles and their memberships, without passwords; errors as ``dump_database``."""
    target, environment = connection_of(url)
    argv = [str(programs(major) / "pg_dumpall"), "--globals-only", "--no-role-passwords",
            "--no-password", f"--lock-wait-timeout={LOCK_TIMEOUT}",
            f"--dbname={target}"]  # fmt: skip
    done = subprocess.run(argv, env=environment, capture_output=True, check=False)
    if done.returncode:
        raise program_failed("pg_dumpall", done.returncode, done.stderr, folder)
    packed = gzip.compress(done.stdout, COMPRESSION, mtime=0)
    return store(folder, GLOBALS, io.BytesIO(packed), sealer)


def check_folder(what: Dump, major: int) -> None:
    """Ask pg_restore whether it can read a dump that is in clear; raise GavanError GV407."""
    if what.sealer.method != Clear.method:
        return  # only who has the private key could
    argv = [str(programs(major) / "pg_restore"), "--list", str(what.folder / FOLDER)]
    done = subprocess.run(argv, capture_output=True, check=False)
    if done.returncode:
        raise program_failed("pg_restore", done.returncode, done.stderr, what.folder)


def _common(what: Dump) -> list[str]:
    target, _ = connection_of(what.url)
    # A pattern in double quotes is a name as it is, wildcards included.
    hidden = [f"{quote_identifier(t.schema)}.{quote_identifier(t.name)}" for t in what.left_out]
    return [
        f"--dbname={target}",
        f"--snapshot={what.snapshot}",
        f"--lock-wait-timeout={LOCK_TIMEOUT}",
        f"--compress=gzip:{COMPRESSION}",
        "--no-password",
        *(f"--exclude-table={pattern}" for pattern in hidden),
        *(f"--exclude-table-data={title}" for title in sorted(PROMISED)),
    ]


def _dump_folder(what: Dump, argv: Sequence[str]) -> list[StoredFile]:
    target = what.folder / FOLDER
    jobs = min(MOST_JOBS, max(2, os.cpu_count() or 2))
    whole = [*argv, "--format=directory", f"--jobs={jobs}", "--no-sync", f"--file={target}"]
    with _Program(what, whole, subprocess.DEVNULL) as process:
        while not process.ended(POLL_S):
            what.heard(_size(target))
    files = sorted(target.iterdir())
    what.heard(_size(target))
    # Hashing and the disk work at once.
    with ThreadPoolExecutor(2) as pool:
        stored = list(pool.map(_settle, files))
    sync_folder(target)
    return stored


def _settle(path: Path) -> StoredFile:
    sync_file(path)
    found = digest(path)
    return StoredFile(path=f"{FOLDER}/{path.name}", bytes=found.bytes, sha256=found.sha256)


def _dump_sealed(what: Dump, argv: Sequence[str]) -> StoredFile:
    whole = [*argv, "--format=custom"]
    with _Program(what, whole, subprocess.PIPE) as process:
        reader = _Counting(process.output, what)
        stored = store(what.folder, ARCHIVE, reader, what.sealer)
        while not process.ended(POLL_S):
            continue
    return stored


class _Counting:
    """Tells how much was read; ends early when asked to."""

    def __init__(self, stream: IO[bytes], what: Dump) -> None:
        self._stream = stream
        self._what = what
        self._size = 0

    def read(self, size: int = -1) -> bytes:
        self._what.stop.check()
        block = self._stream.read(size)
        self._size += len(block)
        self._what.heard(self._size)
        return block


class _Program:
    """A program that is ended with the block, and whose failure is told when it ends."""

    def __init__(self, what: Dump, argv: Sequence[str], output: int) -> None:
        self._what = what
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the block
        _, environment = connection_of(what.url)
        self._process = subprocess.Popen(
            argv, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=self._said
        )
        what.stop.at_once(self._process.kill)

    @property
    def output(self) -> IO[bytes]:
        assert self._process.stdout is not None  # noqa: S101 - asked for when it was made
        return self._process.stdout

    def ended(self, within_s: float) -> bool:
        """Wait a little; raise when it failed, or when the run is to stop."""
        self._what.stop.check()
        try:
            status = self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            return False
        if status:
            self._what.stop.check()  # ended by us, and no failure
            self._said.seek(0)
            raise program_failed("pg_dump", status, self._said.read(), self._what.folder)
        return True

    def __enter__(self) -> _Program:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._said.close()


def program_failed(program: str, status: int, said: bytes, folder: Path) -> GavanError:
    """Return the error of a program of Postgres that failed, from what it said."""
    text = said.decode(errors="replace").strip()
    if status == -signal.SIGXFSZ or any(sign in text for sign in _FULL):
        return disk_full(folder.parent, text or "a limit of the system was met")
    died = f"ended by signal {-status}" if status < 0 else f"exit code {status}"
    return GavanError(
        "GV407",
        f"{program} failed: {died}",
        details="\n".join(text.splitlines()[-20:]) or None,
        hint="see the details; what was there before is untouched",
    )


def connection_of(url: Secret) -> tuple[str, dict[str, str]]:
    """Return a connection string without the password, and the environment with it."""
    facts: dict[str, Any] = dict(conninfo_to_dict(url.reveal()))
    password = facts.pop("password", None)
    environment = {name: text for name, text in os.environ.items() if not name.startswith("PG")}
    environment |= {"LC_ALL": "C", "PGAPPNAME": "gavan-backup", "PGCONNECT_TIMEOUT": "10"}
    if password is not None:
        environment["PGPASSWORD"] = str(password)
    return make_conninfo("", **facts), environment


def _size(folder: Path) -> int:
    try:
        return sum(entry.stat().st_size for entry in os.scandir(folder))
    except FileNotFoundError:
        return 0
