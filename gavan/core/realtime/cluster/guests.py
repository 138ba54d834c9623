"""Presence that other processes keep: who is in which room there. Pure.

The owner of a meta alone changes it; here it is remembered by process, so that a process that is
gone takes all it owned along.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gavan.core.realtime.presence import Diff, Meta, Present
from gavan.core.realtime.rooms import RoomKey

Held = dict[RoomKey, dict[str, Present]]


class Guests:
    """Metas by process and room."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}

    def in_room(self, room: RoomKey) -> list[Present]:
        """Return who is in a room elsewhere."""
        return [present for held in self._held.values() for present in held.get(room, {}).values()]

    def apply(self, process: str, room: RoomKey, diff: Diff) -> Diff | None:
        """Take a process's diff in; return what is new in it, None for nothing."""
        here = self._held.setdefault(process, {}).setdefault(room, {})
        left = [present for present in diff.leaves if here.pop(present.ref, None) is not None]
        joined = [present for present in diff.joins if present.ref not in here]
        here.update({present.ref: present for present in joined})
        if not here:
            del self._held[process][room]
        return Diff(joins=tuple(joined), leaves=tuple(left)) if joined or left else None

    def replace(
        self, process: str, state: Mapping[RoomKey, Iterable[Present]]
    ) -> dict[RoomKey, Diff]:
        """Take all that a process has; return what that changes, by room."""
        old = self._held.pop(process, {})
        self._held[process] = new = {
            room: {present.ref: present for present in presents} for room, presents in state.items()
        }
        changed = {}
        for room in old.keys() | new.keys():
            before, after = old.get(room, {}), new.get(room, {})
            joins = tuple(after[ref] for ref in after.keys() - before.keys())
            leaves = tuple(before[ref] for ref in before.keys() - after.keys())
            if joins or leaves:
                changed[room] = Diff(joins=joins, leaves=leaves)
        return changed

    def forget(self, process: str) -> dict[RoomKey, Diff]:
        """Let a process go with all it had; return what that changes, by room."""
        return {
            room: Diff(leaves=tuple(presents.values()))
            for room, presents in self._held.pop(process, {}).items()
        }


def to_wire(presents: Iterable[Present]) -> list[list[object]]:
    """Return metas as processes send them to each other."""
    return [[present.key, present.meta] for present in presents]


def from_wire(rows: Iterable[tuple[str, Meta]]) -> tuple[Present, ...]:
    """Return metas as another process sent them."""
    return tuple(Present(key, meta) for key, meta in rows)
