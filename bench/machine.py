"""What every bench shares: facts of the machine, a Postgres of its own, and processes.

Ports, passwords and waiting are those of the tests.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from gavan.database.bootstrap import bootstrap
from gavan.database.embedded import ADMIN, Server, ServerSpec, passwords_by_role, prepare_server
from tests.ports import free_port
from tests.servers import random_passwords
from tests.servers import running as running_postgres

STOP_S = 20


def facts() -> str:
    """Return one line about the machine, and a warning when it has other things to do."""
    model = platform.processor()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    cores, load = os.cpu_count() or 1, os.getloadavg()[0]
    busy = " (busy: times say little, processor time per request more)" if load > cores / 2 else ""
    memory_gb = psutil.virtual_memory().total / 2**30
    kernel = ".".join(platform.release().split(".")[:2])
    return (
        f"{model}, {cores} cores, {memory_gb:.0f} GB, Linux {kernel}, "
        f"Python {platform.python_version()}, load {load:.1f}{busy}"
    )


@contextmanager
def running(argv: Sequence[str], env: Mapping[str, str], log: Path) -> Iterator[psutil.Process]:
    """Run a process for the length of the block; its output goes to ``log``."""
    with log.open("wb") as stream:
        process = subprocess.Popen(argv, env=dict(env), stdout=stream, stderr=stream)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def cpu_s(process: psutil.Process) -> float:
    """Return the processor time that a process and its living descendants have used."""
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = one.cpu_times()
            total += times.user + times.system
    return total


@contextmanager
def cluster() -> Iterator[tuple[Server, Path]]:
    """Run an embedded Postgres with Supabase's roles, durable as in production."""
    root = Path(tempfile.mkdtemp(prefix="gb-"))
    root.chmod(0o755)
    keys = random_passwords()
    spec = ServerSpec(
        name="bench",
        root=root,
        state_dir=root / ".gavan",
        port=free_port(),
        database="postgres",
        max_connections=200,
        settings={},
    )
    try:
        server = prepare_server(spec, keys, create_user=True)
        with running_postgres(server, root / "postgres.log"):
            bootstrap(server.url(ADMIN), passwords_by_role(keys))
            yield server, root
    finally:
        shutil.rmtree(root, ignore_errors=True)
