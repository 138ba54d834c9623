"""How much of one transaction is told row by row; of what is beyond, every table once. Pure.

The process that reads the stream asks before it passes a change on, every process before it judges
one.
"""

from __future__ import annotations

from enum import Enum, auto

from gavan.core.realtime.pgoutput import Change


class Share(Enum):
    """What becomes of a change."""

    ROW = auto()
    """It is told"""
    LIMIT = auto()
    """The first of its table that is not: whoever follows it must fetch"""
    NOTHING = auto()


class Quota:
    """Counts the changes of one transaction after the other.

    Args:
        most: changes of one transaction that are told.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._transaction_id = 0
        self._count = 0
        self._over: set[int] = set()

    def share(self, change: Change) -> Share:
        """Count a change and say what becomes of it."""
        if change.transaction_id != self._transaction_id:
            self._transaction_id, self._count = change.transaction_id, 0
            self._over.clear()
        self._count += 1
        if self._count <= self._most:
            return Share.ROW
        if change.relation.oid in self._over:
            return Share.NOTHING
        self._over.add(change.relation.oid)
        return Share.LIMIT
