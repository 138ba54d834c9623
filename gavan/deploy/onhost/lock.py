"""The lock of a stack on its server: one release at a time, and none for ever.

Stands above files.py. Holding it is a folder with its owner in it. An owner is gone when its
process is gone (a process of the same number began at another time) or the server began anew.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gavan.deploy.onhost.failure import Failure
from gavan.deploy.onhost.files import read_json, write_whole

BEAT_S = 5.0
STALE_S = 60.0


def began(pid: int) -> str:
    """Return when a process began, in the kernel's own count; empty when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    fields = text.rpartition(") ")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def boot() -> str:
    """Return what is another value after each start of the server."""
    identity = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    return f"{identity}/{began(1)}"


def is_alive(owner: dict[str, Any]) -> bool:
    """Say whether the process that an owner or a state names still runs."""
    pid = int(owner.get("pid") or 0)
    return pid > 0 and owner.get("boot") == boot() and began(pid) == owner.get("began")


def me() -> dict[str, Any]:
    pid = os.getpid()
    return {"pid": pid, "began": began(pid), "boot": boot()}


class Lock:
    """The lock of one stack; its heart beats in a thread of its own while it is held."""

    def __init__(self, folder: Path, release: str, by: str) -> None:
        self._folder = folder
        self._release = release
        self._by = by
        self._stop = threading.Event()
        self._beat: threading.Thread | None = None

    @property
    def _file(self) -> Path:
        return self._folder / "owner.json"

    def take(self, wait_s: float) -> None:
        """Take it within ``wait_s`` seconds.

        Raises:
            Failure: GV540 names who holds it.
        """
        until = time.monotonic() + wait_s
        while True:
            with alone(self._folder):
                owner = self.owner()
                if not self._folder.exists() or self._may_take(owner):
                    self._seize()
                    break
            if time.monotonic() > until:
                raise Failure("GV540", held_by(owner))
            time.sleep(1.0)
        self._beat = threading.Thread(target=self._keep, name="heart", daemon=True)
        self._beat.start()

    def owner(self) -> dict[str, Any]:
        """Return who holds it; one that is being written this moment reads as empty."""
        try:
            return read_json(self._file)
        except json.JSONDecodeError:
            return {}

    def _may_take(self, owner: dict[str, Any]) -> bool:
        if is_alive(owner):
            return False
        if owner.get("release") == self._release:
            return True
        if owner and owner.get("boot") != boot():
            return True
        try:
            age = time.time() - (self._file if owner else self._folder).stat().st_mtime
        except FileNotFoundError:
            return False
        return age > STALE_S

    def _seize(self) -> None:
        """Make it ours; on a disk without room for that it is left as free as it was."""
        self._folder.mkdir(exist_ok=True)
        try:
            self._write()
        except OSError:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def _keep(self) -> None:
        while not self._stop.wait(BEAT_S):
            # A full disk stops no heart: whether we are alive is asked of the kernel.
            with suppress(OSError):
                self._write()

    def _write(self) -> None:
        owner = {**me(), "release": self._release, "by": self._by, "heartbeat": time.time()}
        write_whole(self._file, json.dumps(owner))

    def release(self) -> None:
        """Give it back; whoever has it now may not be us any more, then nothing happens."""
        self._stop.set()
        if self._beat is not None:
            self._beat.join()
        with alone(self._folder):
            if self.owner().get("release") == self._release:
                shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the only one who looks at the lock and takes it: two that find it stale at the same
    moment would both have it. The kernel gives this back when a process is gone."""
    with folder.with_name(f".{folder.name}.guard").open("ab") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield


def held_by(owner: dict[str, Any]) -> str:
    """Return a sentence that names the holder."""
    if not owner:
        return "another release is just beginning"
    age = time.time() - float(owner.get("heartbeat", 0))
    state = "is under way" if is_alive(owner) else "was broken off"
    return f"release {owner.get('release')} by {owner.get('by')} {state}, seen {age:.0f} s ago"
