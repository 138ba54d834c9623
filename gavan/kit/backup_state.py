"""How old the newest backup is: a small file that backups write and the health of the core tells.

Stands on the ground floor, between two rooms that know nothing of each other.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

FILE = "backup.json"
VARIABLE = "GAVAN_BACKUP_STATE"
"""Where the core looks for the file; empty for a stack that makes no backups by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupState:
    """``state`` is how the last run ended: ok, partial, failed, or none when there was none.

    ``last_ok_at``: the moment of the newest good backup (UTC), None without one.
    """

    state: str
    last_ok_at: datetime | None
    max_age_s: float


def write_state(path: Path, found: BackupState) -> None:
    """Replace the file; raise OSError when it cannot be written."""
    moment = found.last_ok_at and found.last_ok_at.astimezone(UTC).isoformat(timespec="seconds")
    said = {"state": found.state, "last_ok_at": moment, "max_age_s": found.max_age_s}
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(orjson.dumps(said))
    draft.replace(path)


def read_state(path: Path) -> BackupState | None:
    """Return what the file says; None when there is none, or none that can be read."""
    try:
        said = orjson.loads(path.read_bytes())
        moment = said["last_ok_at"]
        return BackupState(
            state=str(said["state"]),
            last_ok_at=datetime.fromisoformat(moment) if moment else None,
            max_age_s=float(said["max_age_s"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def backup_field(path: Path, now: datetime) -> dict[str, Any]:
    """Return what health says: ``state`` (ok, partial, failed, overdue, none), the moment of the
    newest good backup and its age in seconds."""
    found = read_state(path)
    if found is None or found.last_ok_at is None:
        return {"state": found.state if found else "none", "last_ok_at": None, "age_s": None}
    age_s = (now - found.last_ok_at).total_seconds()
    is_overdue = found.state == "ok" and age_s > found.max_age_s
    return {
        "state": "overdue" if is_overdue else found.state,
        "last_ok_at": found.last_ok_at.isoformat(timespec="seconds"),
        "age_s": max(0, int(age_s)),
    }
