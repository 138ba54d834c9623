"""A throw-away Postgres: made in a folder of its own, used for a while, removed with all it had.

Stands on the embedded server. Whatever ends its user, nothing stays: a guard ends the processes
when the user is killed, and the next scratch of the same place removes the files.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from gavan.backups.space import require_room, room_at
from gavan.database.embedded import Server, ServerSpec, prepare_server
from gavan.database.identity import Account, choose_account, demote, give
from gavan.engines.embedded import guard, ports
from gavan.engines.embedded.lock import try_lock
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

START_S = 60.0
STOP_S = 30.0
KILL_S = 10.0
POLL_S = 0.05
LOG_LINES = 20
FIRST_PORT = 45000
MARKER = "GAVAN_SCRATCH"
ENTRY = "entry"
ROOM = 2
"""So many times what is to be restored must be free"""


def _fresh() -> Secret:
    return Secret(secrets.token_urlsafe(24))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScratchPasswords:
    """Passwords that live as long as the cluster."""

    postgres_password: Secret = field(default_factory=_fresh)
    authenticator_password: Secret = field(default_factory=_fresh)
    auth_admin_password: Secret = field(default_factory=_fresh)
    admin_password: Secret = field(default_factory=_fresh)
    storage_admin_password: Secret = field(default_factory=_fresh)
    realtime_admin_password: Secret = field(default_factory=_fresh)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a throw-away cluster is made for.

    ``project`` says by its owner who runs Postgres, ``place`` is the folder that holds the cluster
    and nothing else, ``bytes`` what it must have room for, ``settings`` those of postgresql.conf
    that the real server has.
    """

    project: Path
    place: Path
    bytes: int
    database: str
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scratch:
    """A cluster that runs; processes started here end with it."""

    folder: Path
    server: Server
    entry: str
    """The environment entry that all its processes carry."""

    @property
    def passwords(self) -> Mapping[str, Secret]:
        return self.server.passwords

    @property
    def marker(self) -> Mapping[str, str]:
        name, _, text = self.entry.partition("=")
        return {name: text}

    def url(self, role: str, database: str | None = None) -> Secret:
        """Return the URL of a role over the loopback."""
        return self.server.url(role, database=database)

    @contextmanager
    def running(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        log: Path,
        account: Account | None = None,
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run a process until the block ends, its output in ``log``.

        SIGINT ends it; Postgres SIGQUIT, which writes nothing that would be thrown away.
        """
        with log.open("ab") as stream:
            process = subprocess.Popen(
                list(argv),
                env={**env, **self.marker},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                # Ctrl-C is for whoever drives the scratch, who ends these in their order.
                start_new_session=True,
                **(demote(account) if account else {}),  # type: ignore[call-overload]
            )
        try:
            yield process
        finally:
            _end(process, signal.SIGQUIT if argv == self.server.argv else signal.SIGINT)


@contextmanager
def scratch_cluster(wanted: Wanted) -> Iterator[Scratch]:
    """Yield a running cluster without databases of its own; afterwards nothing of it is left.

    Raises GavanError: GV431 another one works in the same place, GV405 not twice the room that it
    needs, GV433 it did not start, and those of ``prepare_server``.
    """
    wanted.place.mkdir(mode=0o711, parents=True, exist_ok=True)
    held = try_lock(wanted.place / "lock")
    if held is None:
        raise GavanError(
            "GV431",
            f"another throw-away cluster is at work in {wanted.place}",
            hint="wait until it has ended",
            exit_code=4,
        )
    try:
        remove_leftovers(wanted.place)
        require_room(room_at(wanted.place), ROOM * wanted.bytes, wanted.place)
        folder = wanted.place / secrets.token_hex(4)
        try:
            with _cluster(folder, wanted) as scratch:
                yield scratch
        finally:
            _remove(folder)
    finally:
        os.close(held)


def remove_leftovers(place: Path) -> int:
    """End and remove what a killed run left in ``place``, whose lock the caller holds."""
    left = [path for path in place.iterdir() if path.is_dir()]
    for folder in left:
        _remove(folder)
    return len(left)


@contextmanager
def _cluster(folder: Path, wanted: Wanted) -> Iterator[Scratch]:
    folder.mkdir(mode=0o711)
    give(choose_account(wanted.project, create_user=False), folder)
    entry = f"{MARKER}={secrets.token_hex(8)}"
    # Before any process carries it: whoever is killed from here on is found by it.
    (folder / ENTRY).write_text(entry, encoding="ascii")
    server = _prepare(folder, wanted)
    require_room(room_at(server.data_dir), ROOM * wanted.bytes, server.data_dir)
    scratch = Scratch(folder=folder, server=server, entry=entry)
    with guarded(entry, server.data_dir):
        log = folder / "postgres.log"
        with scratch.running(server.argv, server.env, log, server.user) as process:
            _wait_until_ready(server, process, log)
            yield scratch


def _prepare(folder: Path, wanted: Wanted) -> Server:
    spec = ServerSpec(
        name="scratch",
        root=folder,
        state_dir=folder / "state",
        port=free_port(),
        database=wanted.database,
        max_connections=40,
        settings=wanted.settings,
    )
    return prepare_server(spec, ScratchPasswords(), create_user=False)


def free_port() -> int:
    """Return a port nobody listens on now; drawn, so that two runs seldom draw the same."""
    port = FIRST_PORT + secrets.randbelow(10_000)
    return port if ports.is_free(port) else ports.other_ports({"": port}, {})[""]


@contextmanager
def guarded(entry: str, data_dir: Path) -> Iterator[None]:
    """Keep a tiny process that ends all others when this one dies without ending them."""
    watch = subprocess.Popen(
        [sys.executable, "-I", "-S", guard.__file__, entry, str(data_dir.resolve())],
        stdin=subprocess.PIPE,
        cwd="/",
        start_new_session=True,
    )
    assert watch.stdin is not None  # noqa: S101 - by PIPE above
    try:
        yield
    finally:
        with suppress(BrokenPipeError):
            watch.stdin.write(guard.CLEAN_STOP)
            watch.stdin.close()
        watch.wait()


def _wait_until_ready(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < until:
        if server.is_ready():
            return
        time.sleep(POLL_S)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    raise GavanError(
        "GV433",
        "the throw-away Postgres did not start",
        details="\n".join(lines[-LOG_LINES:]),
        hint="see the details",
    )


def _end(process: subprocess.Popen[bytes], first: signal.Signals) -> None:
    process.send_signal(first)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
        return
    process.kill()
    process.wait()


def _remove(folder: Path) -> None:
    """End the processes of a scratch and remove all its folders, wherever they are."""
    if not folder.exists():
        return
    # Data and socket may lie elsewhere, where the server's account can walk; links lead there.
    data, socket = (folder / "state" / part for part in ("data", "run/postgres"))
    with suppress(FileNotFoundError):
        entry = (folder / ENTRY).read_text(encoding="ascii")
        guard.end_all(entry, str(data.resolve()), deadline_s=KILL_S)
    for path in (data.resolve(), socket.resolve()):
        shutil.rmtree(path, ignore_errors=True)
    shutil.rmtree(folder)
