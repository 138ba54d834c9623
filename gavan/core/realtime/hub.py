"""What every channel of this process shares: rooms, tokens, limits and counters.

Made once by ``app.build``; sockets hand it to their channels.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from dataclasses import dataclass, field

from gavan.core.realtime.changes import Changes
from gavan.core.realtime.cluster.cluster import Cluster
from gavan.core.realtime.codec import UserBroadcast
from gavan.core.realtime.connection import Connection
from gavan.core.realtime.history import History
from gavan.core.realtime.limits import Limits, Rate
from gavan.core.realtime.policies import Policies
from gavan.core.realtime.rooms import RoomKey, Rooms
from gavan.core.realtime.slots import Lag, measure
from gavan.core.realtime.tokens import Tokens
from gavan.kit.secret import Secret

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Hub:
    """Shared state of the service; ``secret`` is one that all processes of the stack know."""

    tokens: Tokens
    limits: Limits
    database_url: Secret
    """Superuser: the stream, the partitions and the line between processes; no user's code"""
    asking_url: Secret
    """supabase_realtime_admin: asks policies and types, which users have written"""
    secret: Secret
    rooms: Rooms = field(default_factory=Rooms)
    sockets: int = 0
    stopping: bool = False
    changes: Changes = field(init=False)
    cluster: Cluster = field(init=False)
    policies: Policies = field(init=False)
    history: History = field(init=False)
    messages: Rate = field(init=False)
    presence_messages: Rate = field(init=False)
    joins: Rate = field(init=False)
    _asking: Connection = field(init=False)
    _channels: int = 0
    _idle: asyncio.TimerHandle | None = None
    _resting: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.messages = Rate(self.limits.messages_per_s)
        self.presence_messages = Rate(self.limits.presence_messages_per_s)
        self.joins = Rate(self.limits.joins_per_s)
        url = self.asking_url.reveal()
        self._asking = asking = Connection(url, "policies.sql")
        self.policies = Policies(asking)
        self.history = History(asking)
        self.changes = Changes(url, self.limits, self.relay_here)
        # Not where users' code runs: from there the channel of the processes could be seen.
        stream_url, channel = self.database_url.reveal(), _channel_name(self.secret)
        self.cluster = Cluster(stream_url, self.limits, channel, self.rooms, self.changes)
        self.changes.announce = self.cluster.feed.announce

    def enter(self) -> None:
        """One more channel is joined: the database is listened to while there is any."""
        self._channels += 1
        self._wake()

    def leave(self) -> None:
        """One channel less; without any, the database is left alone after a while."""
        self._channels -= 1
        self._rest_later()

    def relay(self, key: RoomKey, broadcast: UserBroadcast) -> None:
        """Bring a broadcast that came by HTTP to a room, in every process."""
        if not self._channels:
            self._wake()
            self._rest_later()
        self.cluster.tell(key, broadcast)
        self.relay_here(key, broadcast)

    def relay_here(self, key: RoomKey, broadcast: UserBroadcast) -> None:
        """Bring a broadcast to a room of this process, if anybody is in it."""
        room = self.rooms.find(key)
        count = room.user_broadcast(broadcast) if room is not None else 0
        self.messages.add(1 + count)

    async def lag(self) -> Lag | None:
        """Return how far the reader of the database lags; None while nothing is read here."""
        if not self.changes.is_streaming:
            return None
        lag = await measure(self._asking)
        if lag is not None and lag.bytes > self.limits.lag_bytes:
            log.warning("replication_lags", extra={"bytes": lag.bytes, "wal_status": lag.status})
        return lag

    async def stop(self) -> None:
        """End every task and connection."""
        if self._idle is not None:
            self._idle.cancel()
        if self._resting is not None:
            await asyncio.gather(self._resting, return_exceptions=True)
        await self.cluster.stop()
        await self.changes.stop()
        await self.policies.close()

    def _wake(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._resting is not None and not self._resting.done():
            self._resting.add_done_callback(lambda _: self.cluster.start())
        else:
            self.cluster.start()

    def _rest_later(self) -> None:
        if not self._channels:
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(self.limits.stream_idle_s, self._rest)

    def _rest(self) -> None:
        self._idle = None
        self._resting = asyncio.get_running_loop().create_task(self.cluster.stop())


def _channel_name(secret: Secret) -> str:
    named = hmac.new(secret.reveal().encode(), b"gavan realtime cluster", "sha256")
    return f"gavan_{named.hexdigest()[:40]}"
