"""Who is present in one room: keys, their metas, and the diffs that members merge.

Pure. A room owns one state; a channel owns at most one meta in it. The wire semantics are those
of an observed-remove set: every meta has a unique ``phx_ref``, an update adds one and removes one.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Meta: TypeAlias = Mapping[str, object]
Owner: TypeAlias = object
"""Identity of the channel that holds a meta; any hashable object."""


@dataclass(frozen=True, slots=True)
class Diff:
    """What changed; both sides are always on the wire, also when empty."""

    joins: Mapping[str, Meta] = field(default_factory=dict)
    leaves: Mapping[str, Meta] = field(default_factory=dict)

    def payload(self) -> dict[str, object]:
        """Return the payload of ``presence_diff``."""
        return {"joins": _metas(self.joins), "leaves": _metas(self.leaves)}


@dataclass(frozen=True, slots=True)
class _Entry:
    key: str
    payload: Mapping[str, object]
    meta: Meta


class PresenceState:
    """Metas of one room by owner."""

    def __init__(self) -> None:
        self._entries: dict[Owner, _Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def track(self, owner: Owner, key: str, payload: Mapping[str, object]) -> Diff | None:
        """Set the owner's meta; return the diff, or None if the payload is the last one again."""
        last = self._entries.get(owner)
        if last is not None and last.payload == payload:
            return None
        meta = {**payload, "phx_ref": secrets.token_urlsafe(12)}
        leaves: dict[str, Meta] = {}
        if last is not None:
            meta["phx_ref_prev"] = last.meta["phx_ref"]
            leaves[key] = last.meta
        self._entries[owner] = _Entry(key, payload, meta)
        return Diff(joins={key: meta}, leaves=leaves)

    def untrack(self, owner: Owner) -> Diff | None:
        """Remove the owner's meta; return the diff, or None if it had none."""
        last = self._entries.pop(owner, None)
        return Diff(leaves={last.key: last.meta}) if last else None

    def payload(self) -> dict[str, object]:
        """Return the payload of ``presence_state``."""
        state: dict[str, dict[str, list[Meta]]] = {}
        for entry in self._entries.values():
            state.setdefault(entry.key, {"metas": []})["metas"].append(entry.meta)
        return dict(state)


def _metas(side: Mapping[str, Meta]) -> dict[str, object]:
    return {key: {"metas": [meta]} for key, meta in side.items()}
