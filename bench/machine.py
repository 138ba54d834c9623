"""What every bench shares: facts of the machine, a Postgres of its own, processes and ports."""

from __future__ import annotations

import os
import platform
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from gavan.database.bootstrap import bootstrap
from gavan.database.embedded import ADMIN, Server, ServerSpec, passwords_by_role, prepare_server
from gavan.database.identity import demote
from gavan.kit.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Passwords:
    """Passwords of the login roles; random, as the cluster lives for minutes."""

    postgres_password: Secret
    authenticator_password: Secret
    auth_admin_password: Secret
    admin_password: Secret
    storage_admin_password: Secret


def facts() -> str:
    """Return one line about the machine."""
    model = platform.processor()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory_gb = psutil.virtual_memory().total / 2**30
    return (
        f"{model}, {os.cpu_count()} cores, {memory_gb:.0f} GB, Linux {platform.release()}, "
        f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"
    )


def free_port() -> int:
    """Return a TCP port of the loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    """Poll ``condition``; raise TimeoutError when it stays false."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not ready within {timeout_s} s")
        time.sleep(0.02)


@contextmanager
def running(
    argv: Sequence[str], env: Mapping[str, str], log: Path, **options: object
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process for the length of the block."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            argv,
            env=dict(env),
            stdout=stream,
            stderr=stream,
            **options,  # type: ignore[call-overload]
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(20)


@contextmanager
def cluster() -> Iterator[tuple[Server, Path]]:
    """Run an embedded Postgres with Supabase's roles, durable as in production."""
    root = Path(tempfile.mkdtemp(prefix="gb-"))
    root.chmod(0o755)
    made = (Secret(secrets.token_hex(8)) for _ in range(5))
    names = Passwords.__dataclass_fields__
    keys = Passwords(**dict(zip(names, made, strict=True)))
    spec = ServerSpec(
        name="bench",
        root=root,
        state_dir=root / ".gavan",
        port=free_port(),
        database="postgres",
        max_connections=100,
        settings={},
    )
    server = prepare_server(spec, keys, create_user=True)
    options = demote(server.user) if server.user else {}
    try:
        with running(server.argv, server.env, root / "postgres.log", **options):
            wait_until(server.is_ready)
            bootstrap(server.url(ADMIN), passwords_by_role(keys))
            yield server, root
    finally:
        shutil.rmtree(root, ignore_errors=True)
