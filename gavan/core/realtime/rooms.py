"""Rooms: the members of one topic, their presence, and the fan-out to them.

A room is named by (private, sub_topic): a private and a public channel of one name never meet.
A message is encoded once per serializer and room, never once per member.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from gavan.core.realtime.codec import (
    Frame,
    Framed,
    Message,
    UserBroadcast,
    Version,
    encode,
    encode_user_broadcast,
    framed,
)
from gavan.core.realtime.presence import Diff, PresenceState, Present

TOPIC_PREFIX = "realtime:"


@dataclass(frozen=True, slots=True)
class RoomKey:
    """``sub_topic`` is the topic without its prefix ``realtime:``."""

    private: bool
    sub_topic: str

    @property
    def topic(self) -> str:
        """The topic as it stands in frames."""
        return TOPIC_PREFIX + self.sub_topic


class Member(Protocol):
    """A joined channel, as far as a room sees it."""

    @property
    def version(self) -> Version: ...
    @property
    def hears_broadcast(self) -> bool: ...
    @property
    def hears_presence(self) -> bool: ...
    def send(self, frame: Framed, message_id: str | None = None) -> None:
        """Queue a frame; never wait: one slow socket must not hold the others.

        ``message_id`` is that of a stored message: a member that has it drops the frame.
        """


class Elsewhere(Protocol):
    """The same room in other processes."""

    def present(self, room: RoomKey) -> Iterable[Present]: ...
    def tell_presence(self, room: RoomKey, diff: Diff) -> None: ...


Encoder: TypeAlias = Callable[[Version], Frame | None]


class Room:
    """Members in join order and the presence they made, here and elsewhere."""

    def __init__(self, key: RoomKey, elsewhere: Elsewhere | None = None) -> None:
        self.key = key
        self._elsewhere = elsewhere
        self.presence = PresenceState(elsewhere.present(key) if elsewhere else ())
        self._members: dict[Member, None] = {}

    def __len__(self) -> int:
        return len(self._members)

    def add(self, member: Member) -> None:
        """Let a member hear this room from now on."""
        self._members[member] = None

    def remove(self, member: Member) -> None:
        """Let a member go, telling the others if it was present."""
        self._members.pop(member, None)
        diff = self.presence.untrack(member)
        if diff is not None:
            self.announce(diff)

    def broadcast(self, payload: object, *, omit: Member | None = None) -> int:
        """Relay a text broadcast, its payload as it came; return how many members got it."""
        message = Message(None, None, self.key.topic, "broadcast", payload)
        return self._fan_out(lambda version: encode(version, message), self._listeners(omit))

    def user_broadcast(self, broadcast: UserBroadcast, *, omit: Member | None = None) -> int:
        """Relay a user broadcast, its bytes untouched; return how many members got it."""
        topic = self.key.topic
        return self._fan_out(
            lambda version: encode_user_broadcast(version, topic, broadcast),
            self._listeners(omit),
            broadcast.id,
        )

    def announce(self, diff: Diff) -> int:
        """Tell everybody, the diff's maker included, who came and went; return how many here."""
        if self._elsewhere is not None:
            self._elsewhere.tell_presence(self.key, diff)
        return self._send_diff(diff)

    def receive(self, diff: Diff) -> int:
        """Take in who came and went elsewhere; return how many members were told."""
        self.presence.receive(diff)
        return self._send_diff(diff)

    def _send_diff(self, diff: Diff) -> int:
        message = Message(None, None, self.key.topic, "presence_diff", diff.payload())
        members = [member for member in self._members if member.hears_presence]
        return self._fan_out(lambda version: encode(version, message), members)

    def _listeners(self, omit: Member | None) -> Iterator[Member]:
        for member in tuple(self._members):
            if member is not omit and member.hears_broadcast:
                yield member

    @staticmethod
    def _fan_out(
        encoder: Encoder,
        members: Iterator[Member] | list[Member],
        message_id: str | None = None,
    ) -> int:
        frames: dict[Version, Framed | None] = {}
        count, last, frame = 0, None, None
        for member in members:
            version = member.version
            if version is not last:
                if version not in frames:
                    content = encoder(version)
                    frames[version] = None if content is None else framed(content)
                last, frame = version, frames[version]
            if frame is not None:
                member.send(frame, message_id)
                count += 1
        return count


class Rooms:
    """Every room that has a member."""

    def __init__(self) -> None:
        self._rooms: dict[RoomKey, Room] = {}
        self.elsewhere: Elsewhere | None = None
        """The rooms of the other processes, when there are any"""

    def __len__(self) -> int:
        return len(self._rooms)

    def enter(self, key: RoomKey, member: Member) -> Room:
        """Put a member into the room, made on first entry."""
        room = self._rooms.get(key)
        if room is None:
            room = self._rooms[key] = Room(key, self.elsewhere)
        room.add(member)
        return room

    def leave(self, room: Room, member: Member) -> None:
        """Take a member out; an empty room is forgotten."""
        room.remove(member)
        if not len(room):
            self._rooms.pop(room.key, None)

    def __iter__(self) -> Iterator[Room]:
        return iter(tuple(self._rooms.values()))

    def find(self, key: RoomKey) -> Room | None:
        """Return the room if anybody is in it."""
        return self._rooms.get(key)
