"""One at a time in a folder of backups: a `flock`, which the system frees however a run dies.

Stands beside the layout. The file holds who has it, for the one who must wait.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from gavan.backups.layout import Repository
from gavan.kit.errors import GavanError

POLL_S = 0.2


def _nobody(_holder: str) -> None:
    """Hear of no wait."""


@contextmanager
def locked(
    repository: Repository,
    verb: str,
    *,
    wait_s: float = 0.0,
    waiting: Callable[[str], None] = _nobody,
) -> Iterator[None]:
    """Make the folder and be alone in it; ``waiting`` hears once who has it.

    Raises GavanError: GV404 with exit code 4 when it is not free within ``wait_s``, GV403 when the
    folder cannot be used.
    """
    repository.create()
    descriptor = _open(repository)
    try:
        _take(descriptor, repository, wait_s, waiting)
        _sign(descriptor, verb)
        yield
    finally:
        # Emptied and not removed: who waits has this very file open.
        with suppress(OSError):
            os.close(descriptor)


def _open(repository: Repository) -> int:
    try:
        return os.open(repository.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise GavanError(
            "GV403",
            f"the folder of backups {repository.root} cannot be used: {error.strerror}",
            hint="run gavan as the user who owns it",
        ) from error


def _take(
    descriptor: int, repository: Repository, wait_s: float, waiting: Callable[[str], None]
) -> None:
    deadline, told = time.monotonic() + wait_s, False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            return
        if time.monotonic() >= deadline:
            raise GavanError(
                "GV404",
                f"another run works in {repository.root}",
                details=holder(repository),
                hint="wait for it, or give it longer: --wait 10m",
                exit_code=4,
            )
        if not told:
            waiting(holder(repository))
            told = True
        time.sleep(POLL_S)


def holder(repository: Repository) -> str:
    """Return who has, or last had, the lock, in words."""
    try:
        facts = json.loads(repository.lock_file.read_text(encoding="utf-8"))
        return f"{facts['verb']} of pid {facts['pid']} on {facts['host']}, since {facts['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "it does not say who it is"


def _sign(descriptor: int, verb: str) -> None:
    facts = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "verb": verb,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    # A full disk costs the note, not the lock.
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(facts).encode(), 0)
