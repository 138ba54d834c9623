"""Whether there is room for a backup, asked before it begins.

Stands before the run; the decision is pure.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from gavan.kit.errors import GavanError
from gavan.kit.size import in_bytes

RESERVE = 0.05
"""Share of the disk that stays free"""
GROWTH = 1.2
"""A backup may be so much larger than the last"""
FIRST = 0.5
"""Share of the database that a first dump is taken to need"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A disk: bytes free and bytes in all."""

    free: int
    total: int


def room_at(folder: Path) -> Room:
    usage = shutil.disk_usage(folder)
    return Room(free=usage.free, total=usage.total)


def estimate(*, last: int | None, database_bytes: int, new_objects: int) -> int:
    """Return the bytes that a backup is taken to need.

    Args:
        last: what the last one of its kind stored without objects; None for the first.
        new_objects: bytes of objects that no backup has yet.
    """
    rows = last * GROWTH if last is not None else database_bytes * FIRST
    return int(rows + new_objects * GROWTH)


def require_room(room: Room, needed: int, folder: Path) -> None:
    """Refuse what would fill the disk; raise GavanError GV405."""
    if room.free - needed >= room.total * RESERVE:
        return
    raise GavanError(
        "GV405",
        f"there is not enough room in {folder}: about {in_bytes(needed)} are needed,"
        f" {in_bytes(room.free)} are free",
        details=f"{RESERVE:.0%} of the disk stay free; nothing was begun",
        hint="free some space, or: gavan backup prune; or another disk: [backup] dir",
    )
