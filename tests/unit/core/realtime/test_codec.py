"""Frames both ways: byte layouts by hand, round trips by property."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode

from gavan.core.realtime.codec import (
    MalformedFrame,
    Message,
    UserBroadcast,
    UserBroadcastPush,
    Version,
    decode,
    encode,
    encode_user_broadcast,
    framed,
    negotiate,
)

words = st.text(max_size=40)
refs = st.none() | st.text(max_size=8) | st.integers(0, 2**31)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("vsn", "version"),
    [
        (None, Version.V1),
        ("", Version.V1),
        ("1.0.0", Version.V1),
        ("1.0.7", Version.V1),
        ("2.0.0", Version.V2),
        ("1.1.0", None),
        ("2", None),
        ("3.0.0", None),
        ("2.0.0-rc", None),
        ("два", None),
    ],
)
def test_vsn_picks_the_serializer(vsn: str | None, version: Version | None) -> None:
    assert negotiate(vsn) is version


@given(refs, refs, words, words, json_values)
def test_version_2_text_reads_back_what_it_wrote(
    join_ref: str | int | None, ref: str | int | None, topic: str, event: str, payload: object
) -> None:
    message = Message(join_ref, ref, topic, event, payload)
    assert decode(Version.V2, encode(Version.V2, message)) == message


@given(refs, words, words, json_values)
def test_version_1_text_reads_back_all_but_the_join_ref(
    ref: str | int | None, topic: str, event: str, payload: object
) -> None:
    frame = encode(Version.V1, Message("7", ref, topic, event, payload))
    assert set(json.loads(frame)) == {"topic", "event", "payload", "ref"}
    assert decode(Version.V1, frame) == Message(None, ref, topic, event, payload)


def test_a_version_1_push_carries_a_null_ref() -> None:
    frame = encode(Version.V1, Message(None, None, "realtime:a", "system", {}))
    assert json.loads(frame)["ref"] is None


def test_extra_elements_of_a_version_2_array_are_ignored() -> None:
    assert decode(Version.V2, '["1","2","t","e",{},"more"]') == Message("1", "2", "t", "e", {})


def test_a_binary_user_broadcast_push_is_read_by_its_sizes() -> None:
    frame = bytes((3, 1, 2, 11, 3, 0, 1)) + b"1" + b"22" + b"realtime:ab" + b"cur" + b'{"x":1}'
    assert decode(Version.V2, frame) == UserBroadcastPush(
        "1", "22", "realtime:ab", UserBroadcast("cur", b'{"x":1}', True)
    )


def test_a_binary_user_broadcast_push_may_carry_metadata_and_raw_bytes() -> None:
    frame = bytes((3, 0, 0, 1, 1, 8, 0)) + b"te" + b'{"id":1}' + b"\xff\x00"
    assert decode(Version.V2, frame) == UserBroadcastPush(
        None, None, "t", UserBroadcast("e", b"\xff\x00", False, b'{"id":1}')
    )


def test_a_binary_push_is_read_as_an_event_without_payload() -> None:
    frame = bytes((0, 1, 1, 1, 1)) + b"12te" + b"data"
    assert decode(Version.V2, frame) == Message("1", "2", "t", "e", {})


def test_a_user_broadcast_goes_out_as_kind_4_in_version_2() -> None:
    broadcast = UserBroadcast("cur", b'{"x":1}', True, b'{"id":"i"}')
    frame = encode_user_broadcast(Version.V2, "realtime:a", broadcast)
    assert frame == bytes((4, 10, 3, 10, 1)) + b"realtime:a" + b"cur" + b'{"id":"i"}' + b'{"x":1}'


def test_sizes_count_bytes_and_not_characters() -> None:
    frame = encode_user_broadcast(Version.V2, "realtime:доска", UserBroadcast("ход", b"1", True))
    assert isinstance(frame, bytes)
    assert frame[1:4] == bytes((19, 6, 0))


def test_a_user_broadcast_goes_out_as_text_in_version_1() -> None:
    frame = encode_user_broadcast(
        Version.V1, "t", UserBroadcast("e", b'{"x":1}', True, b'{"id":1}')
    )
    assert frame is not None
    assert json.loads(frame) == {
        "topic": "t",
        "event": "broadcast",
        "payload": {"type": "broadcast", "event": "e", "payload": {"x": 1}, "meta": {"id": 1}},
        "ref": None,
    }


def test_raw_bytes_have_no_version_1_frame() -> None:
    assert encode_user_broadcast(Version.V1, "t", UserBroadcast("e", b"\xff", False)) is None


def test_a_topic_over_255_bytes_has_no_version_2_frame() -> None:
    assert encode_user_broadcast(Version.V2, "t" * 256, UserBroadcast("e", b"1", True)) is None


@given(words, words, json_values)
def test_kind_3_relays_its_payload_bytes_untouched(topic: str, event: str, payload: object) -> None:
    body = json.dumps(payload, indent=1).encode()
    fields = (topic.encode(), event.encode())
    frame = bytes((3, 0, 0, len(fields[0]), len(fields[1]), 0, 1)) + b"".join(fields) + body
    push = decode(Version.V2, frame)
    assert isinstance(push, UserBroadcastPush)
    relayed = encode_user_broadcast(Version.V2, push.topic, push.broadcast)
    assert isinstance(relayed, bytes)
    assert relayed.endswith(body)


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "[]",
        "[1,2,3,4]",
        "null",
        '["1","2",3,"e",{}]',
        '[{},"2","t","e",{}]',
        "{}",
        b"",
        b"\x01\x00",
        b"\x03",
        b"\x03\x05\x00\x00\x00\x00\x01",
        b"\x03\x00\x00\x01\x01\x00\x02te1",
        b"\x03\x00\x00\x01\x01\x00\x01te{",
        b"\x03\x00\x00\x01\x01\x00\x01te",
        b"\x03\x00\x00\x01\x01\x00\x01\xffe1",
        b"\x00\xff\xff\xff\xff",
    ],
)
def test_garbage_is_malformed(frame: str | bytes) -> None:
    with pytest.raises(MalformedFrame):
        decode(Version.V2, frame)


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_any_frame_is_a_message_or_malformed(frame: str | bytes) -> None:
    for version in Version:
        try:
            decode(version, frame)
        except MalformedFrame:
            continue


def test_version_1_has_no_binary_frames() -> None:
    with pytest.raises(MalformedFrame):
        decode(Version.V1, bytes((0, 0, 0, 0, 0)))


def test_version_1_requires_its_four_keys() -> None:
    with pytest.raises(MalformedFrame):
        decode(Version.V1, '{"topic":"t","event":"e","payload":{}}')


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
@pytest.mark.parametrize("text", [True, False])
def test_a_frame_is_what_a_websocket_library_writes(size: int, text: bool) -> None:
    content = "x" * size if text else b"x" * size
    opcode = Opcode.TEXT if text else Opcode.BINARY
    data = content.encode() if isinstance(content, str) else content
    assert framed(content) == WebSocketFrame(opcode, data).serialize(mask=False)
