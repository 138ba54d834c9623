"""Changes that are judged together: of one table and one action, one after the other. Pure."""

from __future__ import annotations

from gavan.core.realtime.pgoutput import Change

MOST = 64
"""Beyond it a row costs no less"""
MOST_BYTES = 1024 * 1024


class Run:
    """Changes in their order, until another kind comes or there are enough."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self._bytes = 0

    def fits(self, change: Change) -> bool:
        """Say whether a change may be added."""
        if not self.changes:
            return True
        first = self.changes[0]
        is_alike = (first.relation.oid, first.action) == (change.relation.oid, change.action)
        return is_alike and len(self.changes) < MOST and self._bytes < MOST_BYTES

    def add(self, change: Change) -> None:
        """Add a change that fits."""
        self.changes.append(change)
        self._bytes += change.size_bytes

    def drop(self, count: int) -> Change:
        """Forget so many from the front; return the last of them."""
        gone, self.changes = self.changes[:count], self.changes[count:]
        self._bytes -= sum(change.size_bytes for change in gone)
        return gone[-1]
