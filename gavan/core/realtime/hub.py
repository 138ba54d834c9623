"""What every channel of this process shares: rooms, tokens, limits and counters.

Made once by ``app.build``; sockets hand it to their channels.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gavan.core.realtime.changes import Changes
from gavan.core.realtime.codec import UserBroadcast
from gavan.core.realtime.limits import Limits, Rate
from gavan.core.realtime.policies import Policies
from gavan.core.realtime.rooms import RoomKey, Rooms
from gavan.core.realtime.tokens import Tokens
from gavan.kit.secret import Secret


@dataclass(slots=True, kw_only=True)
class Hub:
    """Shared state of the service."""

    tokens: Tokens
    limits: Limits
    database_url: Secret
    rooms: Rooms = field(default_factory=Rooms)
    sockets: int = 0
    stopping: bool = False
    changes: Changes = field(init=False)
    policies: Policies = field(init=False)
    messages: Rate = field(init=False)
    presence_messages: Rate = field(init=False)
    joins: Rate = field(init=False)

    def __post_init__(self) -> None:
        self.messages = Rate(self.limits.messages_per_s)
        self.presence_messages = Rate(self.limits.presence_messages_per_s)
        self.joins = Rate(self.limits.joins_per_s)
        self.policies = Policies(self.database_url.reveal())
        self.changes = Changes(self.database_url.reveal(), self.limits, self.relay)

    def relay(self, key: RoomKey, broadcast: UserBroadcast) -> None:
        """Bring a broadcast from outside (HTTP, the database) to a room, if anybody is in it."""
        room = self.rooms.find(key)
        count = room.user_broadcast(broadcast) if room is not None else 0
        self.messages.add(1 + count)
