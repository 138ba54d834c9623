"""Who is present in one room: keys, their metas, and the diffs that members merge.

Pure. A room owns one state; a channel owns at most one meta in it. The wire semantics are those
of an observed-remove set: every meta has a unique ``phx_ref``, an update adds one and removes one.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

Meta: TypeAlias = Mapping[str, object]
Owner: TypeAlias = object
"""Identity of the channel that holds a meta; any hashable object."""


@dataclass(frozen=True, slots=True)
class Present:
    """One meta under its key."""

    key: str
    meta: Meta

    @property
    def ref(self) -> str:
        """What names this meta and no other."""
        return str(self.meta["phx_ref"])


@dataclass(frozen=True, slots=True)
class Diff:
    """What changed; both sides are always on the wire, also when empty."""

    joins: tuple[Present, ...] = ()
    leaves: tuple[Present, ...] = ()

    def payload(self) -> dict[str, object]:
        """Return the payload of ``presence_diff``."""
        return {"joins": _metas(self.joins), "leaves": _metas(self.leaves)}


@dataclass(frozen=True, slots=True)
class _Entry:
    payload: Mapping[str, object]
    present: Present


class PresenceState:
    """Metas of one room: by owner, and those that other processes own."""

    def __init__(self, guests: Iterable[Present] = ()) -> None:
        self._entries: dict[Owner, _Entry] = {}
        self._guests = {guest.ref: guest for guest in guests}

    def __len__(self) -> int:
        return len(self._entries)

    def track(self, owner: Owner, key: str, payload: Mapping[str, object]) -> Diff | None:
        """Set the owner's meta; return the diff, or None if the payload is the last one again."""
        last = self._entries.get(owner)
        if last is not None and last.payload == payload:
            return None
        meta = {**payload, "phx_ref": secrets.token_urlsafe(12)}
        leaves: tuple[Present, ...] = ()
        if last is not None:
            meta["phx_ref_prev"] = last.present.ref
            leaves = (last.present,)
        present = Present(key, meta)
        self._entries[owner] = _Entry(payload, present)
        return Diff(joins=(present,), leaves=leaves)

    def untrack(self, owner: Owner) -> Diff | None:
        """Remove the owner's meta; return the diff, or None if it had none."""
        last = self._entries.pop(owner, None)
        return Diff(leaves=(last.present,)) if last else None

    def receive(self, diff: Diff) -> None:
        """Take in what another process says of its own members."""
        for present in diff.leaves:
            self._guests.pop(present.ref, None)
        self._guests.update({present.ref: present for present in diff.joins})

    @property
    def own(self) -> tuple[Present, ...]:
        """The metas whose owners are here."""
        return tuple(entry.present for entry in self._entries.values())

    def payload(self) -> dict[str, object]:
        """Return the payload of ``presence_state``."""
        return _metas((*self.own, *self._guests.values()))


def _metas(side: Iterable[Present]) -> dict[str, object]:
    grouped: dict[str, list[Meta]] = {}
    for present in side:
        grouped.setdefault(present.key, []).append(present.meta)
    return {key: {"metas": metas} for key, metas in grouped.items()}
