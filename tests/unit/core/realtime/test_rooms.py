"""The fan-out of a room, without sockets."""

from __future__ import annotations

from dataclasses import dataclass, field

from gavan.core.realtime.codec import Framed, UserBroadcast, Version
from gavan.core.realtime.rooms import Room, RoomKey


@dataclass(eq=False)
class Listener:
    """Keeps what it is sent."""

    version: Version
    hears_broadcast: bool = True
    hears_presence: bool = True
    frames: list[Framed] = field(default_factory=list)

    def send(self, frame: Framed, message_id: str | None = None) -> None:
        self.frames.append(frame)


def test_a_message_is_framed_once_for_each_serializer() -> None:
    room = Room(RoomKey(False, "a"))
    old, new = ([Listener(version) for _ in range(3)] for version in (Version.V1, Version.V2))
    deaf = Listener(Version.V2, hears_broadcast=False)
    for member in (*old, *new, deaf):
        room.add(member)
    assert room.user_broadcast(UserBroadcast("e", b'{"x":1}', True)) == 6
    assert room.broadcast({"event": "e"}, omit=new[0]) == 5
    for number in range(2):
        for members in (old, new[1:]):
            first = members[0].frames[number]
            assert all(member.frames[number] is first for member in members)
    assert old[0].frames[0] is not new[1].frames[0]
    assert not deaf.frames
    assert len(new[0].frames) == 1


def test_raw_bytes_are_passed_over_where_they_cannot_be_said() -> None:
    room = Room(RoomKey(False, "a"))
    members = [Listener(Version.V1), Listener(Version.V2)]
    for member in members:
        room.add(member)
    assert room.user_broadcast(UserBroadcast("e", b"\xff", False)) == 1
    assert [len(member.frames) for member in members] == [0, 1]
