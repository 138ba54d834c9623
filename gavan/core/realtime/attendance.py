"""The event ``presence`` of a client, carried out in its room."""

from __future__ import annotations

from gavan.core.realtime.presence import Diff
from gavan.core.realtime.rooms import Member, Room


class PresenceRefused(Exception):
    """A presence event that changes nothing; ``response`` goes out with status error."""

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason)
        self.response: dict[str, object] = {"reason": reason} if reason else {}


def change_presence(room: Room, member: Member, key: str, payload: object) -> Diff | None:
    """Track or untrack a member; return what the room must hear, if anything.

    Raises PresenceRefused.
    """
    if not isinstance(payload, dict):
        raise PresenceRefused
    match str(payload.get("event")).lower():
        case "track":
            wanted = payload.get("payload", {})
            if not isinstance(wanted, dict):
                raise PresenceRefused("Presence track payload must be a map")
            return room.presence.track(member, key, wanted)
        case "untrack":
            return room.presence.untrack(member)
    raise PresenceRefused
