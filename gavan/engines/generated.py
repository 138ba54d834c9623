"""Files that gavan writes for others to read: marked with the digest of their body, so that what a
person changed is seen and never overwritten in silence.

Stands under the engines that generate files.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gavan.kit.errors import GavanError

_HEAD = re.compile(r"# Written by gavan, digest ([0-9a-f]{16})\.[^\n]*\n")


class State(StrEnum):
    """How a file on disk stands to what would be written."""

    CURRENT = "current"
    MISSING = "missing"
    STALE = "stale"
    """Ours, of an older stack file"""
    EDITED = "edited"
    """Changed by a person since it was written"""
    FOREIGN = "foreign"
    """Never ours"""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file to write; ``body`` without the head, ``verb`` writes it anew."""

    path: Path
    body: str
    verb: str = "gavan generate"

    @property
    def text(self) -> str:
        note = f"Change the stack file and run: {self.verb}"
        return f"# Written by gavan, digest {_digest(self.body)}. {note}\n{self.body}"

    @property
    def state(self) -> State:
        """What lies at the path now."""
        try:
            found = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return State.MISSING
        if found == self.text:
            return State.CURRENT
        head = _HEAD.match(found)
        if head is None:
            return State.FOREIGN
        return State.STALE if head[1] == _digest(found[head.end() :]) else State.EDITED

    def difference(self) -> str:
        """Return what writing it would change, as a unified diff."""
        before = self.path.read_text(encoding="utf-8") if self.path.is_file() else ""
        lines = difflib.unified_diff(
            before.splitlines(keepends=True), self.text.splitlines(keepends=True),
            fromfile=self.path.name, tofile=f"{self.path.name} (generated)",
        )  # fmt: skip
        return "".join(lines)


def write(files: list[File], *, force: bool = False) -> list[File]:
    """Write what is not current, each file whole or not at all; return those that were written.

    Raises:
        GavanError: GV510 names every file that a person has changed or made; nothing is written.
    """
    held = [file for file in files if file.state in (State.EDITED, State.FOREIGN)]
    if held and not force:
        raise GavanError(
            "GV510",
            "these files were changed by hand and would be overwritten: "
            + ", ".join(str(file.path) for file in held),
            details=held[0].difference() or None,
            hint=f"say it in the stack file instead, or give them up: {held[0].verb} --force",
            exit_code=6,
        )
    wanted = [file for file in files if file.state is not State.CURRENT]
    for file in wanted:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        draft = file.path.with_name(f".{file.path.name}.partial")
        draft.write_text(file.text, encoding="utf-8")
        os.replace(draft, file.path)  # noqa: PTH105 - the name says that it replaces
    return wanted


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:16]
