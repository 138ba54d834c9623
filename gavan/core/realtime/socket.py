"""One websocket: the reader, the channels of its topics, and the ways it ends.

Stands between ASGI and the channels. The reader never waits for anything but the next frame.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, TypeAlias

from gavan.core.realtime.channel import Channel, Received
from gavan.core.realtime.codec import (
    Frame,
    MalformedFrame,
    Message,
    UserBroadcastPush,
    Version,
    decode,
    encode,
)
from gavan.core.realtime.hub import Hub
from gavan.core.realtime.outbox import Outbox, Send
from gavan.core.realtime.rooms import TOPIC_PREFIX

log = logging.getLogger(__name__)

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]

CLOSE_NORMAL = 1000
CLOSE_TOO_BIG = 1009
CLOSE_WRITE_S = 2.0
"""How long the last frames may take to leave."""


class Socket:
    """One connected client.

    Args:
        hub: shared state.
        version: the serializer agreed on.
        key: key or token of the upgrade.
        headers: request headers of the upgrade.
    """

    def __init__(self, hub: Hub, version: Version, key: str, headers: Mapping[str, str]) -> None:
        self._hub = hub
        self._outbox: Outbox | None = None
        self._channels: dict[str, Channel] = {}
        self._lonely_since = time.monotonic()
        self.version = version
        self.key = key
        self.headers = headers

    async def serve(self, receive: Receive, send: Send) -> None:
        """Run the accepted websocket until either side closes it."""
        limits = self._hub.limits
        outbox = Outbox(send, max_bytes=limits.queue_bytes, max_frames=limits.queue_frames)
        self._outbox = outbox
        writer = asyncio.create_task(outbox.run())
        reader = asyncio.create_task(self._read(receive))
        overflow = asyncio.create_task(outbox.overflowed.wait())
        try:
            await asyncio.wait((writer, reader, overflow), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for channel in tuple(self._channels.values()):
                channel.end()
            reader.cancel()
            overflow.cancel()
            with suppress(Exception, asyncio.CancelledError):
                await asyncio.wait_for(writer, CLOSE_WRITE_S)
            results = await asyncio.gather(reader, overflow, return_exceptions=True)
            for result in results:
                if isinstance(result, Exception):
                    log.error("socket_failed", exc_info=result)

    # What channels ask.

    def send(self, frame: Frame) -> None:
        """Queue a frame; never wait."""
        if self._outbox is not None:
            self._outbox.put(frame)

    def close(self, code: int) -> None:
        """Close the socket once the queued frames are written."""
        if self._outbox is not None:
            self._outbox.close(code)

    # Reading.

    async def _read(self, receive: Receive) -> None:
        while True:
            try:
                async with asyncio.timeout(self._hub.limits.idle_s):
                    event = await receive()
            except TimeoutError:
                self.close(CLOSE_NORMAL)
                return
            if event["type"] == "websocket.disconnect":
                self.close(CLOSE_NORMAL)
                return
            frame: Frame | None = event.get("text")
            if frame is None:
                frame = event.get("bytes") or b""
            if len(frame) > self._hub.limits.frame_bytes:
                self.close(CLOSE_TOO_BIG)
                return
            self._take(frame)
            if self._is_lonely():
                self.close(CLOSE_NORMAL)
                return

    def _take(self, frame: Frame) -> None:
        try:
            message = decode(self.version, frame)
        except MalformedFrame as error:
            log.warning("malformed_websocket_message", extra={"why": str(error)})
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

    def _is_lonely(self) -> bool:
        if self._channels:
            return False
        return time.monotonic() - self._lonely_since > self._hub.limits.no_channel_s

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
        self.send(encode(self.version, reply))
