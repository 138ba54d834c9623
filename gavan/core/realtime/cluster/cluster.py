"""The other core processes of this database, as this one knows them."""

from __future__ import annotations

import asyncio
import logging
import time
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from typing import Any

from gavan.core.realtime.cluster.bus import Bus
from gavan.core.realtime.cluster.feed import Feed, Wanting
from gavan.core.realtime.cluster.guests import Guests, from_wire, to_wire
from gavan.core.realtime.codec import UserBroadcast
from gavan.core.realtime.limits import Limits
from gavan.core.realtime.presence import Diff, Present
from gavan.core.realtime.rooms import RoomKey, Rooms

log = logging.getLogger(__name__)

BEAT_S = 5.0
SILENT_S = 20.0
"""A process that died is let go this long after its last word, or a beat later"""
ANSWER_S = 1.0
"""Within this time of a hello the others have answered, if there are any"""


class Cluster:
    """Connects the rooms and the changes of this process with those of the others.

    Args:
        url: superuser with REPLICATION.
        limits: of the service.
        channel: a name that only the processes of one stack know.
        rooms: of this process.
        sink: the subscribers of this process.
    """

    def __init__(self, url: str, limits: Limits, channel: str, rooms: Rooms, sink: Wanting) -> None:
        self._rooms = rooms
        self._guests = Guests()
        self._bus = Bus(url, channel, self._hear, self._up, self._down)
        self.feed = Feed(url, limits, self._bus, sink, lambda: self.is_alone)
        self._seen_at: dict[str, float] = {}
        self._said_hello_at: float | None = None
        self._pulse: asyncio.Task[None] | None = None
        rooms.elsewhere = self

    @property
    def processes(self) -> int:
        """How many there are, this one counted."""
        return 1 + len(self._seen_at)

    @property
    def is_alone(self) -> bool:
        """Nobody else answers: nothing needs to be said."""
        if self._seen_at or self._said_hello_at is None:
            return False
        return time.monotonic() - self._said_hello_at > ANSWER_S

    def start(self) -> None:
        """Open the line and read changes, unless that was begun."""
        self._bus.start()
        self.feed.start()
        if self._pulse is None:
            # Who came while nobody listened here has not been heard.
            self._said_hello_at = None
            self._pulse = asyncio.create_task(self._beat())

    async def stop(self) -> None:
        """Say farewell and end."""
        if self._pulse is not None:
            self._pulse.cancel()
            await asyncio.gather(self._pulse, return_exceptions=True)
            self._pulse = None
        await self.feed.stop()
        self._bus.say({"k": "bye"})
        await self._bus.stop()

    # What is said here.

    def tell_text(self, room: RoomKey, payload: object) -> None:
        """Pass on a broadcast that came as text."""
        if not self.is_alone:
            self._bus.say({"k": "text", **_room(room), "payload": payload})

    def tell(self, room: RoomKey, broadcast: UserBroadcast) -> None:
        """Pass on a user broadcast."""
        if not self.is_alone:
            self._bus.say({"k": "broadcast", **_room(room), **_broadcast(broadcast)})

    def tell_presence(self, room: RoomKey, diff: Diff) -> None:
        """Pass on who came and went here."""
        if not self.is_alone:
            joins, leaves = to_wire(diff.joins), to_wire(diff.leaves)
            self._bus.say({"k": "presence", **_room(room), "joins": joins, "leaves": leaves})

    def present(self, room: RoomKey) -> Iterable[Present]:
        """Return who is in a room elsewhere."""
        return self._guests.in_room(room)

    # What the others say.

    def _hear(self, sender: str, message: Mapping[str, Any]) -> None:
        is_new = sender not in self._seen_at
        self._seen_at[sender] = time.monotonic()
        try:
            self._take(sender, message)
        except (KeyError, TypeError, ValueError) as error:
            log.warning(
                "cluster_message_unread", extra={"kind": message.get("k"), "why": str(error)}
            )
        if is_new and message.get("k") not in {"hello", "bye"}:
            # It speaks, but was never heard: whatever it has said before was missed.
            self._say_state()
            self._bus.say({"k": "hello"})

    def _take(self, sender: str, message: Mapping[str, Any]) -> None:
        match message["k"]:
            case "hello":
                self._say_state()
                self.feed.greet()
            case "bye":
                self._forget(sender)
            case "state" | "presence":
                self._take_presence(sender, message)
            case "text":
                found = self._rooms.find(_to_room(message))
                if found is not None:
                    found.broadcast(message["payload"])
            case "broadcast":
                found = self._rooms.find(_to_room(message))
                if found is not None:
                    found.user_broadcast(_to_broadcast(message))
            case "beat":
                pass
            case _:
                self.feed.hear(sender, message)

    def _take_presence(self, sender: str, message: Mapping[str, Any]) -> None:
        if message["k"] == "state":
            state = {_to_room(one): from_wire(one["present"]) for one in message["rooms"]}
            self._tell_rooms(self._guests.replace(sender, state))
            return
        room = _to_room(message)
        diff = Diff(from_wire(message["joins"]), from_wire(message["leaves"]))
        changed = self._guests.apply(sender, room, diff)
        if changed is not None:
            self._tell_rooms({room: changed})

    def _up(self) -> None:
        self._said_hello_at = time.monotonic()
        self._bus.say({"k": "hello"})
        self._say_state()

    def _down(self) -> None:
        self.feed.lose_line()
        for process in tuple(self._seen_at):
            self._forget(process)

    def _say_state(self) -> None:
        rooms = [
            {**_room(room.key), "present": to_wire(room.presence.own)}
            for room in self._rooms
            if room.presence.own
        ]
        self._bus.say({"k": "state", "rooms": rooms})

    def _forget(self, process: str) -> None:
        self._seen_at.pop(process, None)
        self._tell_rooms(self._guests.forget(process))
        self.feed.forget(process)

    def _tell_rooms(self, changed: Mapping[RoomKey, Diff]) -> None:
        for key, diff in changed.items():
            room = self._rooms.find(key)
            if room is not None:
                room.receive(diff)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            if self._seen_at:
                self._bus.say({"k": "beat"})
            now = time.monotonic()
            for process, seen_at in tuple(self._seen_at.items()):
                if now - seen_at > SILENT_S:
                    log.warning("process_silent", extra={"sender": process})
                    self._forget(process)


def _room(room: RoomKey) -> dict[str, object]:
    return {"private": room.private, "topic": room.sub_topic}


def _to_room(message: Mapping[str, Any]) -> RoomKey:
    return RoomKey(bool(message["private"]), str(message["topic"]))


def _broadcast(broadcast: UserBroadcast) -> dict[str, object]:
    body: object = b64encode(broadcast.body).decode()
    if broadcast.is_json:
        body = broadcast.body.decode()
    return {
        "event": broadcast.event,
        "json": broadcast.is_json,
        "body": body,
        "metadata": broadcast.metadata.decode(),
        "id": broadcast.id,
    }


def _to_broadcast(message: Mapping[str, Any]) -> UserBroadcast:
    is_json = bool(message["json"])
    body = message["body"].encode() if is_json else b64decode(message["body"])
    return UserBroadcast(
        message["event"], body, is_json, message["metadata"].encode(), message["id"]
    )
