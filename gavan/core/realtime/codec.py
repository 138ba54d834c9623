"""Frames of the realtime protocol: JSON text of versions 1.0.0 and 2.0.0 and binary kinds 0, 3, 4.

Pure: bytes or text in, messages out and back. The socket reads with it, rooms write with it.
Layouts follow `supabase/realtime:lib/realtime_web/socket/v2_serializer.ex` and
`supabase/supabase-js:packages/core/realtime-js/src/lib/serializer.ts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import orjson

Frame: TypeAlias = str | bytes
"""What a text frame or a binary frame carries."""
Framed: TypeAlias = bytes
"""A whole websocket frame: neither masked nor compressed, so it is the same bytes for everybody."""
Ref: TypeAlias = str | int | None

KIND_PUSH = 0
KIND_USER_BROADCAST_PUSH = 3
KIND_USER_BROADCAST = 4
MAX_FIELD_BYTES = 255
FIN, TEXT, BINARY = 0x80, 1, 2


class Version(Enum):
    """Serializer of one socket."""

    V1 = "1.0.0"
    V2 = "2.0.0"


class MalformedFrame(Exception):
    """The frame is not one of the protocol; it is dropped and the socket stays."""


@dataclass(frozen=True, slots=True)
class Message:
    """One logical message. ``payload`` is parsed JSON, or an ``orjson.Fragment`` on the way out."""

    join_ref: Ref
    ref: Ref
    topic: str
    event: str
    payload: object


@dataclass(frozen=True, slots=True)
class UserBroadcast:
    """A broadcast whose payload bytes are relayed untouched.

    ``metadata`` is a JSON object in bytes, or empty. ``id`` is that of a stored message.
    """

    event: str
    body: bytes
    is_json: bool
    metadata: bytes = b""
    id: str | None = None


@dataclass(frozen=True, slots=True)
class UserBroadcastPush:
    """Binary kind 3: a client's user broadcast with its address."""

    join_ref: Ref
    ref: Ref
    topic: str
    broadcast: UserBroadcast


Inbound: TypeAlias = Message | UserBroadcastPush


def negotiate(vsn: str | None) -> Version | None:
    """Return the serializer for the query value ``vsn``; None if it is not served.

    An absent value means 1.0.0: supabase-py never sends one. The match is that of ``~> x.0.0``.
    """
    if not vsn:
        return Version.V1
    parts = vsn.split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    return {("1", "0"): Version.V1, ("2", "0"): Version.V2}.get((parts[0], parts[1]))


def decode(version: Version, frame: Frame) -> Inbound:
    """Return the message in a frame; raise MalformedFrame."""
    if isinstance(frame, bytes):
        if version is Version.V1:
            raise MalformedFrame("binary frame on a version 1 socket")
        return _decode_binary(frame)
    try:
        value = orjson.loads(frame)
    except orjson.JSONDecodeError as error:
        raise MalformedFrame(str(error)) from error
    return _from_object(value) if version is Version.V1 else _from_array(value)


def encode(version: Version, message: Message) -> Frame:
    """Return the text frame of a message.

    Version 1 always carries ``ref``, null on pushes: supabase-py drops a frame without it.
    """
    if version is Version.V1:
        value: object = {
            "topic": message.topic,
            "event": message.event,
            "payload": message.payload,
            "ref": message.ref,
        }
    else:
        value = [message.join_ref, message.ref, message.topic, message.event, message.payload]
    return orjson.dumps(value).decode()


def encode_user_broadcast(version: Version, topic: str, broadcast: UserBroadcast) -> Frame | None:
    """Return the frame that carries a user broadcast; None if this version cannot carry it.

    Version 1 has no binary payloads; version 2 has no field over 255 bytes.
    """
    if version is Version.V2:
        return _encode_kind_4(topic, broadcast)
    if not broadcast.is_json:
        return None
    payload: dict[str, object] = {
        "type": "broadcast",
        "event": broadcast.event,
        "payload": orjson.Fragment(broadcast.body),
    }
    if broadcast.metadata:
        payload["meta"] = orjson.Fragment(broadcast.metadata)
    return encode(version, Message(None, None, topic, "broadcast", payload))


def framed(frame: Frame) -> Framed:
    """Return the websocket frame that carries a text or a binary frame (RFC 6455, 5.2)."""
    is_text = isinstance(frame, str)
    payload = frame.encode() if isinstance(frame, str) else frame
    first, size = FIN | (TEXT if is_text else BINARY), len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 1 << 16:
        return bytes((first, 126)) + size.to_bytes(2) + payload
    return bytes((first, 127)) + size.to_bytes(8) + payload


def _encode_kind_4(topic: str, broadcast: UserBroadcast) -> Frame | None:
    fields = (topic.encode(), broadcast.event.encode(), broadcast.metadata)
    if any(len(field) > MAX_FIELD_BYTES for field in fields):
        return None
    sizes = (len(field) for field in fields)
    header = bytes((KIND_USER_BROADCAST, *sizes, int(broadcast.is_json)))
    return b"".join((header, *fields, broadcast.body))


def _from_object(value: object) -> Message:
    if not isinstance(value, dict):
        raise MalformedFrame("not an object")
    if not value.keys() >= {"topic", "event", "payload", "ref"}:
        raise MalformedFrame("topic, event, payload and ref are required")
    return _message(
        value.get("join_ref"), value["ref"], value["topic"], value["event"], value["payload"]
    )


def _from_array(value: object) -> Message:
    if not isinstance(value, list) or len(value) < 5:
        raise MalformedFrame("not an array of five")
    return _message(*value[:5])


def _message(
    join_ref: object, ref: object, topic: object, event: object, payload: object
) -> Message:
    if not isinstance(topic, str) or not isinstance(event, str):
        raise MalformedFrame("topic and event are strings")
    return Message(_ref(join_ref), _ref(ref), topic, event, payload)


def _ref(value: object) -> Ref:
    if value is None or isinstance(value, str | int):
        return value
    raise MalformedFrame("a ref is a string, a number or null")


def _decode_binary(frame: bytes) -> Inbound:
    kind = frame[0] if frame else None
    if kind == KIND_PUSH:
        (join_ref, ref, topic, event), _ = _fields(frame, first=5, sizes=frame[1:5])
        # No shipped client sends it: it is answered like any unknown event.
        return Message(_text(join_ref) or None, _text(ref) or None, _text(topic), _text(event), {})
    if kind == KIND_USER_BROADCAST_PUSH:
        return _decode_kind_3(frame)
    raise MalformedFrame(f"unknown binary kind {kind}")


def _decode_kind_3(frame: bytes) -> UserBroadcastPush:
    if len(frame) < 7 or frame[6] > 1:
        raise MalformedFrame("short header or unknown payload encoding")
    (join_ref, ref, topic, event, metadata), body = _fields(frame, first=7, sizes=frame[1:6])
    is_json = frame[6] == 1
    # Members get these bytes as they are, so they must not be able to break a reader.
    for part in (metadata, body if is_json else b""):
        _check_json(part)
    if is_json and not body:
        raise MalformedFrame("empty JSON payload")
    broadcast = UserBroadcast(_text(event), body, is_json, metadata)
    return UserBroadcastPush(_text(join_ref) or None, _text(ref) or None, _text(topic), broadcast)


def _fields(frame: bytes, *, first: int, sizes: bytes) -> tuple[list[bytes], bytes]:
    fields: list[bytes] = []
    position = first
    for size in sizes:
        fields.append(frame[position : position + size])
        position += size
    if len(frame) < position or len(frame) < first:
        raise MalformedFrame("sizes reach beyond the frame")
    return fields, frame[position:]


def _text(field: bytes) -> str:
    try:
        return field.decode()
    except UnicodeDecodeError as error:
        raise MalformedFrame("a field is not UTF-8") from error


def _check_json(part: bytes) -> None:
    if not part:
        return
    try:
        orjson.loads(part)
    except orjson.JSONDecodeError as error:
        raise MalformedFrame(str(error)) from error
