"""Files that are whole at any moment, and the folder of the stack on its server.

Stands at the bottom of the runner.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def write_whole(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Replace a file; a power cut leaves the old one or the new one."""
    raw = content.encode() if isinstance(content, str) else content
    draft = path.with_name(f".{path.name}.partial")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Have the names in a folder on the disk, so that a power cut undoes no rename."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_json(path: Path) -> dict[str, Any]:
    """Return an object, an empty one when there is no such file."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found


@dataclass(frozen=True)
class Place:
    """The folder of the stack: ``root`` of all releases, ``release`` the one at hand."""

    root: Path
    release: str

    @property
    def folder(self) -> Path:
        return self.root / "releases" / self.release

    @property
    def state_file(self) -> Path:
        return self.folder / "state.json"

    @property
    def events_file(self) -> Path:
        return self.folder / "events.ndjson"

    @property
    def history_file(self) -> Path:
        return self.root / "releases.jsonl"

    @property
    def live_file(self) -> Path:
        """What serves now: its release, and for each part its slot and port."""
        return self.root / "live.json"

    @property
    def live_draft(self) -> Path:
        """What will be said there once the release at work serves; renamed to it."""
        return self.root / ".live.json.next"

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def slots(self) -> Path:
        return self.root / "slots"

    def plan(self) -> dict[str, Any]:
        return read_json(self.folder / "plan.json")

    def env_file(self, plan: dict[str, Any]) -> Path:
        """Return the variables of this release: as they were when it began, or as they are now."""
        own = self.folder / ".env"
        return own if own.exists() else self.root / f".env.{plan['profile']}"

    def freeze_env(self, plan: dict[str, Any]) -> None:
        """Keep the variables with the release, so that taking back to it finds them again."""
        now = self.root / f".env.{plan['profile']}"
        if now.exists():
            write_whole(self.folder / ".env", now.read_bytes(), 0o600)

    @property
    def reserve(self) -> Path:
        """Room on the disk that is given up when it is full, to write how a release ended."""
        return self.folder / "reserve"
