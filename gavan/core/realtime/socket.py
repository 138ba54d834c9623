"""One websocket: the reader, the channels of its topics, and the ways it ends.

Stands between ASGI and the channels. The reader never waits for anything but the next frame.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from gavan.core.frame_socket import FrameSocket
from gavan.core.realtime.channel import Channel, Received
from gavan.core.realtime.codec import (
    Frame,
    MalformedFrame,
    Message,
    UserBroadcastPush,
    Version,
    decode,
    encode,
    framed,
)
from gavan.core.realtime.hub import Hub
from gavan.core.realtime.outbox import Outbox
from gavan.core.realtime.rooms import TOPIC_PREFIX

log = logging.getLogger(__name__)

CLOSE_NORMAL = 1000
CLOSE_TOO_BIG = 1009
CLOSE_POLICY = 1008
LEAST_FRAMES = 1000
"""A burst that is no flood however short the time"""


class Socket:
    """One connected client.

    Args:
        hub: shared state.
        version: the serializer agreed on.
        key: key or token of the upgrade.
        headers: request headers of the upgrade.
        wire: the websocket below.
    """

    def __init__(
        self, hub: Hub, version: Version, key: str, headers: Mapping[str, str], wire: FrameSocket
    ) -> None:
        self._hub = hub
        self._wire = wire
        limits = hub.limits
        self._outbox = Outbox(wire, max_bytes=limits.queue_bytes, max_frames=limits.queue_frames)
        self._channels: dict[str, Channel] = {}
        self._lonely_since = self._heard_at = time.monotonic()
        self._frames = 0
        self._garbage = 0
        self.version = version
        self.key = key
        self.headers = headers
        self.send = self._outbox.put
        self.close = self._outbox.close

    async def serve(self) -> None:
        """Run the accepted websocket until either side closes it."""
        try:
            await self._wire.listen(self._hear, self._outbox.drain)
        finally:
            for channel in tuple(self._channels.values()):
                channel.end()

    @property
    def is_leaving(self) -> bool:
        """See Link."""
        return self._wire.is_leaving

    def look(self, now: float, since_s: float) -> None:
        """Close what is silent, without a channel, or too loud; called every ``since_s``."""
        limits = self._hub.limits
        is_lonely = not self._channels and now - self._lonely_since > limits.no_channel_s
        if is_lonely or now - self._heard_at > limits.idle_s:
            self.close(CLOSE_NORMAL)
        elif self._frames > max(limits.messages_per_s * since_s, LEAST_FRAMES):
            log.warning("socket_floods", extra={"frames": self._frames, "seconds": since_s})
            self.close(CLOSE_POLICY)
        if self._garbage:
            log.warning("malformed_websocket_message", extra={"frames": self._garbage})
        self._frames = self._garbage = 0

    # Reading.

    def _hear(self, frame: Frame) -> None:
        self._heard_at = time.monotonic()
        self._frames += 1
        if len(frame) > self._hub.limits.frame_bytes:
            self.close(CLOSE_TOO_BIG)
        else:
            self._take(frame)

    def _take(self, frame: Frame) -> None:
        try:
            message = decode(self.version, frame)
        except MalformedFrame:
            self._garbage += 1  # told in the log by number: a line for each would be a flood too
            return
        if isinstance(message, Message):
            if message.topic == "phoenix" and message.event == "heartbeat":
                self._reply(message, "ok", {}, join_ref=None)
                return
            if message.event == "phx_join":
                self._join(message)
                return
        self._deliver(message, len(frame))

    def _deliver(self, message: Message | UserBroadcastPush, size_bytes: int) -> None:
        channel = self._channels.get(message.topic)
        if channel is not None:
            channel.offer(Received(message, size_bytes))
        elif isinstance(message, Message) and message.event == "phx_leave":
            self._reply(message, "ok", {}, join_ref=message.join_ref)
        else:
            reason: dict[str, object] = {"reason": "unmatched topic"}
            self._reply(message, "error", reason, join_ref=message.join_ref)

    def _join(self, message: Message) -> None:
        if not message.topic.startswith(TOPIC_PREFIX):
            reason: dict[str, object] = {"reason": "unmatched topic"}
            self._reply(message, "error", reason, join_ref=message.join_ref)
            return
        earlier = self._channels.get(message.topic)
        if earlier is not None:
            earlier.close()
        if len(self._channels) >= self._hub.limits.channels_per_socket:
            reason = {"reason": "ChannelRateLimitReached: Too many channels"}
            self._reply(message, "error", reason, join_ref=message.join_ref)
            return
        channel = Channel(self._hub, self, message.topic, message.join_ref, self._forget)
        self._channels[message.topic] = channel
        channel.start(message)

    def _forget(self, channel: Channel) -> None:
        if self._channels.get(channel.topic) is channel:
            del self._channels[channel.topic]
            self._lonely_since = time.monotonic()

    def _reply(
        self,
        message: Message | UserBroadcastPush,
        status: str,
        response: dict[str, object],
        *,
        join_ref: str | int | None,
    ) -> None:
        payload = {"status": status, "response": response}
        reply = Message(join_ref, message.ref, message.topic, "phx_reply", payload)
        self.send(framed(encode(self.version, reply)))
