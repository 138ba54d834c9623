"""The data API alone, as a process: told by variables, stopped by its own pid."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.live import answers
from tests.ports import free_port
from tests.servers import wait_until


@dataclass(frozen=True, slots=True)
class Alone:
    """A running data API, a client of it and what it has said so far."""

    client: httpx.Client
    pid: int
    port: int
    log: Path

    def said(self, text: str) -> bool:
        return text in self.log.read_text()


@contextmanager
def running_alone(
    url: str,
    log: Path,
    options: Mapping[str, str],
    *flags: str,
    awaited: str = "/",
    open_files: tuple[int, int] | None = None,
) -> Iterator[Alone]:
    """Serve a database until the block ends.

    Args:
        options: ``PGRST_*`` variables beside the address of the database.
        flags: more of the command line.
        awaited: path that answers 200 once it serves; "" does not wait.
        open_files: the soft and the hard limit that the process starts with.
    """
    port = free_port()
    argv = [sys.executable, "-m", "gavan", "core", "--services", "rest", "--port", str(port)]
    environment = {
        "PATH": os.environ["PATH"],
        "PGRST_DB_URI": url,
        "PGRST_DB_SCHEMAS": "app",
        "PGRST_SERVER_HOST": "127.0.0.1",
        **options,
    }
    if open_files is not None:
        argv = ["prlimit", "--nofile={}:{}".format(*open_files), *argv]
    with log.open("w") as stream:
        process = subprocess.Popen([*argv, *flags], env=environment, stdout=stream, stderr=stream)
    base = f"http://127.0.0.1:{port}"
    try:
        if awaited:
            wait_until(lambda: answers(base + awaited) or process.poll() is not None)
            assert process.poll() is None, log.read_text()
        with httpx.Client(base_url=base, timeout=60) as client:
            yield Alone(client, process.pid, port, log)
    finally:
        process.terminate()
        process.wait(60)
    assert process.returncode == 0, log.read_text()
