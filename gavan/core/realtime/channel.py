"""One joined topic of one socket: the state machine between a client and a room.

A channel is a task with an inbox, so that a join that waits for the database holds up neither
heartbeats nor other channels. Everything it owns is given back by ``end``, which never waits.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from gavan.core.realtime.admission import Admission, JoinRefused
from gavan.core.realtime.attendance import PresenceRefused, change_presence
from gavan.core.realtime.codec import (
    Message,
    Ref,
    UserBroadcast,
    UserBroadcastPush,
    Version,
    encode,
    encode_user_broadcast,
    framed,
)
from gavan.core.realtime.hub import Hub
from gavan.core.realtime.intake import Intake
from gavan.core.realtime.join import JoinWish, WantedChange, read_join
from gavan.core.realtime.limits import Window
from gavan.core.realtime.link import Link
from gavan.core.realtime.policies import BROADCAST, PRESENCE, Guard, PolicyError
from gavan.core.realtime.rooms import TOPIC_PREFIX, Room, RoomKey
from gavan.core.realtime.tokens import OPAQUE_PREFIX, Access, TokenRefused

log = logging.getLogger(__name__)

READY_CHECK_S = 0.5


@dataclass(frozen=True, slots=True)
class Received:
    """A client's message with the size of its frame in bytes."""

    message: Message | UserBroadcastPush
    size_bytes: int


class Channel:
    """Joined (or joining) topic of one socket. Hashable by identity: rooms keep it as a member."""

    def __init__(
        self, hub: Hub, link: Link, topic: str, join_ref: Ref, on_end: Callable[[Channel], None]
    ) -> None:
        self._hub = hub
        self._link = link
        self._on_end = on_end
        self.topic = topic
        self.join_ref = join_ref
        self._inbox: asyncio.Queue[Received] = asyncio.Queue(hub.limits.inbox_messages)
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._joining = True
        self._ended = False
        self._wish = JoinWish()
        self._access: Access | None = None
        self._room: Room | None = None
        self._guard: Guard | None = None
        self._intake = Intake(link.send)
        self.version: Version = link.version
        self.send = self._intake.take
        self._presence_key = ""
        self._presence_calls = Window(hub.limits.presence_calls, hub.limits.presence_calls_window_s)

    # What a room asks of its members.

    @property
    def hears_broadcast(self) -> bool:
        return self._guard is not None and self._guard.hears(BROADCAST)

    @property
    def hears_presence(self) -> bool:
        return self._guard is not None and self._guard.hears(PRESENCE)

    # What the changes ask of their subscribers.

    @property
    def access(self) -> Access | None:
        return self._access

    @property
    def wanted(self) -> tuple[WantedChange, ...]:
        return self._wish.changes

    def system(self, status: str, text: str, extension: str = "system") -> None:
        """Push a system message."""
        payload = {
            "extension": extension,
            "status": status,
            "message": text,
            "channel": self.topic.removeprefix(TOPIC_PREFIX),
        }
        self._push("system", payload, join_ref=self.join_ref)

    # What the socket asks.

    def start(self, join: Message) -> None:
        """Begin to join; the outcome is a reply to the client."""
        self._task = asyncio.create_task(self._run(join))

    def offer(self, received: Received) -> None:
        """Take a message of the client; a client that floods the channel loses it."""
        message = received.message
        is_leave = isinstance(message, Message) and message.event == "phx_leave"
        if is_leave and self._joining and self._inbox.empty():
            self._leave(message.ref)  # it has given up: a join that goes on would cost in vain
            return
        try:
            self._inbox.put_nowait(received)
        except asyncio.QueueFull:
            self._fail("Too many messages per second")

    def close(self) -> None:
        """Give everything back and tell the client."""
        if not self._ended:
            self.end()
            self._push("phx_close", {}, ref=self.join_ref, join_ref=self.join_ref)

    def end(self) -> None:
        """Give everything back without a word."""
        if self._ended:
            return
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        if self._room is not None:
            self._hub.rooms.leave(self._room, self)
            self._hub.changes.unsubscribe(self)
            self._hub.leave()
        self._on_end(self)
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    # The task.

    async def _run(self, join: Message) -> None:
        try:
            try:
                await self._join(join)
            except JoinRefused as refusal:
                await self._refuse(join.ref, refusal)
            self._joining = False
            while not self._ended:
                await self._handle(await self._inbox.get())
        except Exception:
            log.exception("channel_crashed", extra={"topic": self.topic})
            self.end()
            payload = {"reason": "channel_crash"}
            self._push("phx_error", payload, ref=self.join_ref, join_ref=self.join_ref)

    async def _refuse(self, ref: Ref, refusal: JoinRefused) -> None:
        await asyncio.sleep(self._hub.limits.join_error_pause_s)
        self.end()
        self._reply(ref, "error", {"reason": str(refusal)})
        if refusal.close_code is not None:
            self._link.close(refusal.close_code)

    async def _join(self, join: Message) -> None:
        self._wish = wish = read_join(join.payload)
        if wish.malformed:
            log.warning("invalid_join_payload", extra={"parts": wish.malformed})
        sub_topic = self.topic.removeprefix(TOPIC_PREFIX)
        admission = Admission(self._hub, self._link)
        admission.check_topic(sub_topic)
        self._access = admission.check_token(wish)
        key = RoomKey(wish.private, sub_topic)
        self._guard = await admission.admit(key, self._access, wish)
        self._presence_key = wish.presence_key or str(uuid.uuid4())
        self._room = self._hub.rooms.enter(key, self)
        self._hub.enter()
        stored = await admission.stored(key, wish)
        self._watch_token()
        echo = [change.echo() for change in wish.changes]
        self._reply(join.ref, "ok", {"postgres_changes": echo})
        self._replay(stored)
        if wish.presence_enabled and self.hears_presence:
            # Before any diff: supabase-py does not keep diffs back until the first state.
            self._push("presence_state", self._room.presence.payload(), join_ref=self.join_ref)
        self._intake.open(message.id for message in stored if message.id is not None)
        if wish.changes:
            self._hub.changes.subscribe(self)
        if wish.replication_ready:
            loop = asyncio.get_running_loop()
            self._tell_when_ready(loop.time() + self._hub.limits.ready_s)

    def _replay(self, stored: list[UserBroadcast]) -> None:
        if not self.hears_broadcast:
            return
        for message in stored:
            frame = encode_user_broadcast(self.version, self.topic, message)
            if frame is not None:
                self._link.send(framed(frame))

    def _tell_when_ready(self, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        if self._ended:
            return
        if self._hub.changes.is_streaming:
            self.system("ok", "Replication connection established")
        elif loop.time() >= deadline:
            self._fail("Replication connection was not established in time")
        else:
            loop.call_later(READY_CHECK_S, self._tell_when_ready, deadline)

    # Events after the join. They wait for nothing but the policies of a private room.

    async def _handle(self, received: Received) -> None:
        self._hub.messages.add()
        if self._hub.messages.exceeded:
            self._fail("Too many messages per second")
            return
        message = received.message
        if isinstance(message, UserBroadcastPush):
            await self._broadcast(message.ref, message.broadcast, received.size_bytes)
            return
        match message.event:
            case "broadcast":
                await self._broadcast(message.ref, message.payload, received.size_bytes)
            case "presence":
                await self._presence(message, received.size_bytes)
            case "access_token":
                await self._new_token(message.payload)
            case "phx_leave":
                self._leave(message.ref)
            case _:
                log.info("unknown_event", extra={"event_name": message.event})

    async def _broadcast(self, ref: Ref, content: object, size_bytes: int) -> None:
        if self._room is None or self._guard is None:
            return
        if size_bytes > self._hub.limits.broadcast_bytes:
            error = "payload_size_exceeded"
            if self._wish.ack:
                self._reply(ref, "error", {"reason": error, "error": error})
            return
        if not await self._guard.may_write(BROADCAST):
            # Silence, even when an ack was asked for: clients wait for their timeout.
            return
        omit = None if self._wish.hears_self else self
        if isinstance(content, UserBroadcast):
            count = self._room.user_broadcast(content, omit=omit)
            self._hub.cluster.tell(self._room.key, content)
        else:
            count = self._room.broadcast(content, omit=omit)
            self._hub.cluster.tell_text(self._room.key, content)
        self._hub.messages.add(count)
        if self._wish.ack:
            self._reply(ref, "ok", {})

    async def _presence(self, message: Message, size_bytes: int) -> None:
        self._hub.presence_messages.add()
        if self._hub.presence_messages.exceeded:
            self._fail("Too many presence messages per second")
            return
        if not self._presence_calls.allow():
            self._fail("Client presence rate limit exceeded")
            return
        if size_bytes > self._hub.limits.broadcast_bytes:
            self._fail("Track message size exceeded")
            return
        try:
            await self._change_presence(message.payload)
        except PresenceRefused as refusal:
            self._reply(message.ref, "error", refusal.response)
        else:
            self._reply(message.ref, "ok", {})

    async def _change_presence(self, payload: object) -> None:
        if self._room is None or self._guard is None or not await self._guard.may_write(PRESENCE):
            raise PresenceRefused
        diff = change_presence(self._room, self, self._presence_key, payload)
        if diff is not None:
            self._hub.presence_messages.add(self._room.announce(diff))

    # Tokens.

    async def _new_token(self, payload: object) -> None:
        token = payload.get("access_token") if isinstance(payload, dict) else None
        if not isinstance(token, str) or token.startswith(OPAQUE_PREFIX):
            return
        if self._access is not None and token == self._access.token:
            return
        try:
            self._access = self._hub.tokens.check(token)
        except TokenRefused as refusal:
            self._fail(refusal.text)
            return
        self._watch_token()
        await self._admit_again(self._access)
        if self._wish.changes and not self._ended:
            self._hub.changes.subscribe(self)

    async def _admit_again(self, access: Access) -> None:
        sub_topic = self.topic.removeprefix(TOPIC_PREFIX)
        try:
            if self._guard is not None and await self._guard.admit(
                access, presence=self._wish.presence_enabled
            ):
                return
        except PolicyError as error:
            self._fail(str(error).partition(": ")[2])
            return
        self._fail(f"You no longer have permission to read from this Channel topic: {sub_topic}")

    def _watch_token(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._access is None:
            return
        refusal = self._hub.tokens.expired(self._access)
        if refusal is not None:
            self._fail(refusal.text)
            return
        left = self._hub.tokens.seconds_left(self._access)
        delay = max(min(self._hub.limits.token_check_s, left), 0.01)
        self._timer = asyncio.get_running_loop().call_later(delay, self._watch_token)

    # Words to the client.

    def _leave(self, ref: Ref) -> None:
        self.end()
        self._reply(ref, "ok", {})
        self._push("phx_close", {}, ref=self.join_ref, join_ref=self.join_ref)

    def _fail(self, text: str) -> None:
        self.system("error", text)
        self.close()

    def _reply(self, ref: Ref, status: str, response: dict[str, object]) -> None:
        payload = {"status": status, "response": response}
        self._push("phx_reply", payload, ref=ref, join_ref=self.join_ref)

    def _push(self, event: str, payload: object, *, ref: Ref = None, join_ref: Ref = None) -> None:
        message = Message(join_ref, ref, self.topic, event, payload)
        self._link.send(framed(encode(self._link.version, message)))
