"""A Postgres that knows nothing of Gavan: of any major, primary or replica, with plain roles."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import pq

from gavan.database.distribution import distribution_for
from gavan.database.identity import Account, can_enter, choose_account, demote, give
from tests.ports import free_port
from tests.servers import wait_until

OWNER = "postgres"
SETTINGS = ("fsync=off", "listen_addresses=127.0.0.1", "max_connections=60", "wal_level=replica")


def programs_of_the_wheel(root: Path) -> Path:
    """Return the folder of the programs of Postgres 18."""
    return distribution_for(choose_account(root, create_user=True)).bin


def readable_programs(found: Path, root: Path) -> Path:
    """Return programs that the server's account can run: ``found``, or a copy in ``root``."""
    if can_enter(choose_account(root, create_user=True), found):
        return found
    copy = root / "programs"
    shutil.copytree(found.parent, copy, symlinks=True)
    return copy / found.name


@dataclass
class PlainPostgres:
    """A server in ``root``, trusting everybody on the loopback; ``bin`` has its programs."""

    root: Path
    bin: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def account(self) -> Account:
        return choose_account(self.root, create_user=True)

    @property
    def data(self) -> Path:
        return self.root / f"data-{self.port}"

    def url(self, role: str = OWNER, database: str = "postgres") -> str:
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"

    def connect(self, role: str = OWNER) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url(role), autocommit=True)

    def make(self) -> None:
        """Make the data directory of a primary."""
        self._own_directory()
        self.run("initdb", *("-D", str(self.data), "-U", OWNER, "--auth=trust", "--no-sync"),
                 *("--no-locale", "--encoding=UTF8"))  # fmt: skip

    def copy_of(self, primary: PlainPostgres) -> None:
        """Make the data directory of a streaming replica."""
        self._own_directory()
        self.run("pg_basebackup", "-D", str(self.data), "-d", primary.url(), "-c", "fast", "-R",
                 "--no-sync")  # fmt: skip

    def start(self, *settings: str) -> None:
        """Start, return when it takes connections."""
        given = [part for item in (*SETTINGS, *settings) for part in ("-c", item)]
        directory = ("-D", str(self.data), "-k", str(self.root), "-p", str(self.port))
        log = self.root / f"log-{self.port}"
        with log.open("ab") as stream:
            self.process = subprocess.Popen(
                [str(self.bin / "postgres"), *directory, *given],
                env={"LANG": "C", "TZ": "UTC", "PATH": os.defpath},
                cwd="/",
                stdout=stream,
                stderr=stream,
                **demote(self.account),  # type: ignore[call-overload]
            )
        ended = self.process.poll
        wait_until(lambda: self.is_ready() or ended() is not None)
        assert ended() is None, log.read_text()

    def is_ready(self) -> bool:
        return pq.PGconn.ping(self.url().encode()) == pq.Ping.OK

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop at once; SIGQUIT is a crash."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(60)
            self.process = None

    def run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.bin / program), *arguments],
            env={"LANG": "C", "TZ": "UTC", "PATH": os.defpath},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            **demote(self.account),  # type: ignore[call-overload]
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _own_directory(self) -> None:
        give(self.account, self.root)
        self.data.mkdir(mode=0o700)
        give(self.account, self.data)


@contextmanager
def running_postgres(root: Path, bin: Path, *settings: str) -> Iterator[PlainPostgres]:
    """Make a primary in ``root`` and run it until the block ends."""
    root.chmod(0o755)
    server = PlainPostgres(root, readable_programs(bin, root))
    server.make()
    try:
        server.start(*settings)
        yield server
    finally:
        server.stop()
