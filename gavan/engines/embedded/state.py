"""The run file of a stack: which supervisor runs it, since when, and what marks its processes.

Written by the supervisor, read by every verb and by the next `up` after a crash.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from gavan.engines.embedded import guard
from gavan.engines.embedded.model import MARKER
from gavan.engines.embedded.paths import run_dir


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """``started_ticks`` tells a pid from its next bearer, ``boot_id`` one boot from another."""

    run_id: str
    pid: int
    started_ticks: int
    boot_id: str
    uid: int
    since: float
    file: str
    profile: str
    data_dir: str
    control: str

    @property
    def marker(self) -> str:
        """The environment entry that every process of this run carries."""
        return f"{MARKER}={self.run_id}"


def boot_id() -> str:
    """Return the identity of this boot of the machine."""
    return guard.read_bytes("/proc/sys/kernel/random/boot_id").decode().strip()


def started_ticks(pid: int) -> int:
    """Return when a process started, in clock ticks after boot; 0 when there is none."""
    fields = guard.read_bytes(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return int(fields[19]) if len(fields) > 19 else 0


def state_file(state_dir: Path) -> Path:
    return run_dir(state_dir) / "state.json"


def write_state(state_dir: Path, state: RunState) -> None:
    """Write the run file so that a reader sees the old one or the new one, never half."""
    path = state_file(state_dir)
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(asdict(state)))
    draft.chmod(0o600)
    draft.rename(path)


def read_state(state_dir: Path) -> RunState | None:
    """Return the run file's content, or None when there is none or it is not readable as one."""
    try:
        return RunState(**json.loads(state_file(state_dir).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def remove_state(state_dir: Path) -> None:
    state_file(state_dir).unlink(missing_ok=True)


def is_alive(state: RunState) -> bool:
    """Say whether the supervisor named in the file runs, and is not a stranger with its pid."""
    if state.boot_id != boot_id() or not Path(f"/proc/{state.pid}").exists():
        return False
    return started_ticks(state.pid) == state.started_ticks and state.pid != os.getpid()
