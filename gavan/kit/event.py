"""What a stack tells people about itself: the names of its events. Stands on the ground floor.

A family (``deploy.*``) stands for all of its events in [notify.<name>] events.
"""

from __future__ import annotations

from enum import StrEnum


class EventName(StrEnum):
    """Something that happened to a stack."""

    DEPLOY_RELEASED = "deploy.released"
    DEPLOY_ROLLED_BACK = "deploy.rolled_back"
    """A release failed and the former one serves."""
    DEPLOY_FAILED = "deploy.failed"
    BACKUP_DONE = "backup.done"
    BACKUP_PARTIAL = "backup.partial"
    """Made, but not all of it, or not at its second place."""
    BACKUP_FAILED = "backup.failed"
    BACKUP_TOO_OLD = "backup.too_old"
    BACKUP_GAP = "backup.gap"
    """The log of point-in-time recovery has a gap until the next base."""
    DRILL_DONE = "drill.done"
    DRILL_FAILED = "drill.failed"
    DRILL_TOO_OLD = "drill.too_old"
    """Two were due, and none has been."""

    @property
    def family(self) -> str:
        """`deploy`, `backup`, `drill`."""
        return self.value.partition(".")[0]

    @property
    def is_bad(self) -> bool:
        return self not in _GOOD


_GOOD = (EventName.DEPLOY_RELEASED, EventName.BACKUP_DONE, EventName.DRILL_DONE)
FAMILIES = tuple(dict.fromkeys(f"{name.family}.*" for name in EventName))
WORTH_TELLING = ("deploy.*", *(n.value for n in EventName if n.is_bad and n.family != "deploy"))
"""What a channel is told when the stack file does not say."""
