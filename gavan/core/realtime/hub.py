"""What every channel of this process shares: rooms, tokens, limits and counters.

Made once by ``app.build``; sockets hand it to their channels.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gavan.core.realtime.limits import Limits, Rate
from gavan.core.realtime.rooms import Rooms
from gavan.core.realtime.tokens import Tokens


@dataclass(slots=True, kw_only=True)
class Hub:
    """Shared state of the service."""

    tokens: Tokens
    limits: Limits
    rooms: Rooms = field(default_factory=Rooms)
    sockets: int = 0
    stopping: bool = False
    messages: Rate = field(init=False)
    presence_messages: Rate = field(init=False)
    joins: Rate = field(init=False)

    def __post_init__(self) -> None:
        self.messages = Rate(self.limits.messages_per_s)
        self.presence_messages = Rate(self.limits.presence_messages_per_s)
        self.joins = Rate(self.limits.joins_per_s)
