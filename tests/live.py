"""A core process as clients meet it: started by argv and environment, stopped by its own pid."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gavan.kit.jwt import sign
from gavan.kit.secret import Secret
from tests.conftest import JWT_SECRET, Database
from tests.ports import free_port
from tests.servers import wait_until


@dataclass(frozen=True, slots=True)
class Live:
    """Where a running core listens and the two keys that it accepts."""

    url: str
    anon_key: str
    service_key: str
    pid: int


def api_key(role: str) -> str:
    """Return a long-lived key as the stack makes it at its first start."""
    now = int(time.time())
    claims = {"iss": "supabase-demo", "role": role, "iat": now, "exp": now + 3600}
    return sign(claims, Secret(JWT_SECRET))


def core_environment(database: Database, folder: Path, port: int) -> dict[str, str]:
    """Return the variables of a core that serves a database and keeps blobs below ``folder``."""
    return {
        "PATH": os.environ["PATH"],
        "GAVAN_CORE_PORT": str(port),
        "GAVAN_DB_AUTHENTICATOR_URL": database.url("authenticator"),
        "GAVAN_DB_AUTH_ADMIN_URL": database.url("supabase_auth_admin"),
        "GAVAN_DB_STORAGE_ADMIN_URL": database.url("supabase_storage_admin"),
        "GAVAN_DB_REALTIME_ADMIN_URL": database.url("supabase_realtime_admin"),
        "GAVAN_DB_ADMIN_URL": database.url("supabase_admin"),
        "FILE_STORAGE_BACKEND_PATH": str(folder / "storage"),
        "JWT_SECRET": JWT_SECRET,
        "ANON_KEY": api_key("anon"),
        "SERVICE_ROLE_KEY": api_key("service_role"),
        "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_test",
        "SUPABASE_SECRET_KEY": "sb_secret_test",
        "PGRST_DB_MAX_ROWS": "1000",
    }


@contextmanager
def running_core(
    database: Database, log: Path, options: Mapping[str, str] | None = None, port: int = 0
) -> Iterator[Live]:
    """Serve a database until the block ends; the log is shown when it fails.

    ``options`` are variables of the environment beside those of every core. Without ``port`` a
    free one is taken.
    """
    port = port or free_port()
    environment = core_environment(database, log.parent, port) | dict(options or {})
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "gavan.core"], env=environment, stdout=stream, stderr=stream
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(f"{url}/health") or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        keys = environment["ANON_KEY"], environment["SERVICE_ROLE_KEY"]
        yield Live(url, *keys, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def answers(url: str) -> bool:
    """Say whether something answers 200 there."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False
