"""A Postgres for tests and benches: passwords, start, stop, and waiting for things to be so."""

from __future__ import annotations

import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gavan.database.embedded import Server
from gavan.database.identity import demote
from gavan.kit.secret import Secret

DEADLINE_S = 60.0
"""How long anything may take on a machine that does much else; nobody waits so long"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolePasswords:
    """Passwords of the login roles of a cluster that lives for minutes."""

    postgres_password: Secret
    authenticator_password: Secret
    auth_admin_password: Secret
    admin_password: Secret
    storage_admin_password: Secret
    realtime_admin_password: Secret


def random_passwords() -> RolePasswords:
    """Return passwords that nobody else knows."""
    one, two, three, four, five, six = (Secret(secrets.token_hex(8)) for _ in range(6))
    return RolePasswords(
        postgres_password=one,
        authenticator_password=two,
        auth_admin_password=three,
        admin_password=four,
        storage_admin_password=five,
        realtime_admin_password=six,
    )


@contextmanager
def running(server: Server, log: Path) -> Iterator[None]:
    """Run ``server`` until the block ends; its output goes to ``log``."""
    with log.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(
            server.argv,
            env=dict(server.env),
            stdout=stream,
            stderr=stream,
            **(demote(server.user) if server.user else {}),  # type: ignore[call-overload]
        )
    try:
        wait_until(lambda: server.is_ready() or process.poll() is not None)
        assert process.poll() is None, log.read_text(encoding="utf-8")
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def wait_until(condition: Callable[[], bool], timeout_s: float = DEADLINE_S) -> None:
    """Poll ``condition`` until it is true; fail the test after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not true within {timeout_s} s: {condition}"
        time.sleep(0.02)
