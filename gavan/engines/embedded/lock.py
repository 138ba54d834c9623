"""The one lock of a stack: who holds it may start processes.

The lock is a `flock` on `.gavan/run/lock`. `up` takes it and hands the open file on to the
supervisor and its guard, so there is no moment between them, and the system frees it when both
are gone, however they died.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

POLL_S = 0.05


def try_lock(path: Path) -> int | None:
    """Return the descriptor that holds the lock, or None when somebody else holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_locked(path: Path) -> bool:
    """Say whether somebody holds the lock now."""
    if not path.exists():
        return False
    descriptor = try_lock(path)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def wait_lock(path: Path, timeout_s: float, give_up: Callable[[], bool]) -> int | None:
    """Wait for the lock; None when the time is over or ``give_up`` says there is no need."""
    until = time.monotonic() + timeout_s
    while True:
        descriptor = try_lock(path)
        if descriptor is not None:
            return descriptor
        if give_up() or time.monotonic() > until:
            return None
        time.sleep(POLL_S)
