"""What is measured: the core with realtime alone, and the bare libraries doing the same fan-out."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from bench.machine import running
from bench.rest.servers import FAR_AWAY, JWT_SECRET, OTHERS, OWN_PYTHON, SYSTEM_PATH, gavan_environ
from gavan.database.embedded import Server
from gavan.kit.jwt import sign
from tests.ports import free_port
from tests.servers import wait_until

START_S = 60
GAVAN = "gavan"
BARE = ("picows", "websockets")
KEY = sign({"role": "anon", "exp": FAR_AWAY}, JWT_SECRET)
PATH = f"/realtime/v1/websocket?apikey={KEY}&vsn=2.0.0"


@dataclass(frozen=True, slots=True)
class Target:
    """A running server and the path of its websocket."""

    name: str
    process: psutil.Process
    port: int
    path: str

    @property
    def is_bare(self) -> bool:
        """Relays what it is sent, and knows neither topics nor rights."""
        return self.name != GAVAN


@contextmanager
def core(server: Server, folder: Path) -> Iterator[Target]:
    """Serve realtime as a stack does, with limits out of the way."""
    port = free_port()
    told = {
        **gavan_environ(server, port),
        "PATH": SYSTEM_PATH,
        "GAVAN_CORE_SERVICES": "realtime",
        "REALTIME_MAX_CONCURRENT_USERS": "100000",
        "REALTIME_MAX_JOINS_PER_SECOND": "100000",
        "REALTIME_MAX_EVENTS_PER_SECOND": "100000000",
    }
    log = folder / "gavan.log"
    with running([sys.executable, "-m", "gavan.core"], told, log) as process:
        _await(process, log, lambda: _is_ready(port))
        yield Target(GAVAN, process, port, PATH)


@contextmanager
def bare(library: str, folder: Path) -> Iterator[Target]:
    """Serve by a library alone."""
    port, log = free_port(), folder / f"{library}.log"
    argv = [str(OWN_PYTHON), str(OTHERS / f"fan_out_{library}.py"), str(port)]
    with running(argv, {"PATH": SYSTEM_PATH}, log) as process:
        _await(process, log, lambda: _listens(port))
        yield Target(library, process, port, "/")


def _await(process: psutil.Process, log: Path, is_up: Callable[[], bool]) -> None:
    try:
        wait_until(lambda: is_up() or process.status() == psutil.STATUS_ZOMBIE, START_S)
    except AssertionError:
        sys.stderr.write(f"...{log.read_text(errors='replace')[-1500:]}\n")
        raise


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/ready").is_success
    except httpx.HTTPError:
        return False


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
