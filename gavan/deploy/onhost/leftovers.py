"""What a runner that was killed left running: its calls of docker compose go on without it.

Stands above lock.py. They are ended before the release is gone on with or taken back, so that two
never work on one project.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gavan.deploy.onhost.lock import boot

GRACE_S = 15.0
POLL_S = 0.05


def end_leftovers(former: dict[str, Any], project: str) -> int:
    """End the processes of a former run, as its state names them; return how many there were."""
    if former.get("boot") != boot():
        return 0
    session = int(former.get("session") or 0)
    found = list(_members(session, project))
    for pid in found:
        _send(pid, signal.SIGTERM)
    until = time.monotonic() + GRACE_S
    while (left := list(_members(session, project))) and time.monotonic() < until:
        time.sleep(POLL_S)
    for pid in left:
        _send(pid, signal.SIGKILL)
    return len(found)


def _members(session: int, project: str) -> Iterator[int]:
    """Yield the processes of a session that work on our project; its number may be another's."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            fields = (folder / "stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z" and project.encode() in words:
            yield int(folder.name)


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
