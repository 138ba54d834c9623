"""Messages of the output plugin, built by the manual's layouts."""

from __future__ import annotations

import struct

import pytest

from gavan.core.realtime.pgoutput import Change, Commit, Decoder, Event, Relation

OID = 16400
TEXT = 25


def begin(*, time_us: int = 0, xid: int = 7) -> bytes:
    return struct.pack("!cqqI", b"B", 100, time_us, xid)


def relation(identity: str, *columns: tuple[str, int], oid: int = OID) -> bytes:
    head = struct.pack("!cI", b"R", oid) + b"public\0note\0" + identity.encode()
    body = b"".join(
        bytes((key,)) + name.encode() + b"\0" + struct.pack("!Ii", TEXT, -1)
        for name, key in columns
    )
    return head + struct.pack("!h", len(columns)) + body


def row(*values: str | bool | None) -> bytes:
    """A tuple: text, None for null, True for an unchanged TOAST value."""
    parts = [struct.pack("!h", len(values))]
    for value in values:
        if value is None:
            parts.append(b"n")
        elif isinstance(value, bool):
            parts.append(b"u")
        else:
            data = value.encode()
            parts.append(b"t" + struct.pack("!i", len(data)) + data)
    return b"".join(parts)


def message(kind: bytes, *parts: bytes) -> bytes:
    return kind + struct.pack("!I", OID) + b"".join(parts)


def decode(*messages: bytes, wanted: bool = True) -> Event | None:
    decoder = Decoder(lambda relation, action: wanted)
    event = None
    for one in messages:
        event = decoder.decode(one)
    return event


def change(*messages: bytes) -> Change:
    event = decode(*messages)
    assert isinstance(event, Change)
    return event


BY_KEY = relation("d", ("id", 1), ("title", 0))
FULL = relation("f", ("id", 1), ("title", 1))


def test_a_change_tells_its_transaction_and_the_commit_time_in_milliseconds() -> None:
    event = change(begin(time_us=1_500_000), BY_KEY, message(b"D", b"K", row("1", None)))
    assert (event.committed_at, event.transaction_id) == ("2000-01-01T00:00:01.500Z", 7)


def test_a_commit_tells_where_it_ends() -> None:
    assert decode(struct.pack("!cbqqq", b"C", 0, 10, 20, 0)) == Commit(10, 20)


def test_a_relation_is_replaced_by_its_next_message() -> None:
    event = change(
        BY_KEY, relation("d", ("id", 1), ("name", 0)), message(b"I", b"N", row("1", "x"))
    )
    assert event.new == {"id": "1", "name": "x"}


def test_a_relation_keeps_its_key_flags() -> None:
    event = decode(BY_KEY)
    assert isinstance(event, Relation)
    assert [(one.name, one.is_key) for one in event.columns] == [("id", True), ("title", False)]


def test_an_insert_has_a_new_row_only() -> None:
    event = change(begin(), BY_KEY, message(b"I", b"N", row("1", None)))
    assert (event.action, event.new, event.old) == ("INSERT", {"id": "1", "title": None}, {})
    assert event.transaction_id == 7


def test_an_update_with_an_unchanged_key_takes_its_identity_from_the_new_row() -> None:
    event = change(BY_KEY, message(b"U", b"N", row("1", "x")))
    assert event.old == {"id": "1"}


def test_an_update_of_the_key_tells_the_old_key_without_the_nulls_beside_it() -> None:
    event = change(BY_KEY, message(b"U", b"K", row("1", None), b"N", row("2", "x")))
    assert (event.old, event.new) == ({"id": "1"}, {"id": "2", "title": "x"})


def test_an_unchanged_large_value_is_absent() -> None:
    assert change(BY_KEY, message(b"U", b"N", row("1", True))).new == {"id": "1"}


def test_identity_full_supplies_the_unchanged_large_value() -> None:
    event = change(FULL, message(b"U", b"O", row("1", "big"), b"N", row("2", True)))
    assert event.new == {"id": "2", "title": "big"}
    assert event.old == {"id": "1", "title": "big"}


def test_a_delete_has_an_old_row_only() -> None:
    event = change(BY_KEY, message(b"D", b"K", row("1", None)))
    assert (event.action, event.new, event.old) == ("DELETE", {}, {"id": "1"})
    assert change(FULL, message(b"D", b"O", row("1", "x"))).old == {"id": "1", "title": "x"}


def test_rows_nobody_wants_are_not_decoded() -> None:
    assert decode(BY_KEY, message(b"I", b"garbage"), wanted=False) is None


@pytest.mark.parametrize("kind", [b"T", b"Y", b"O", b"M"])
def test_other_kinds_are_passed_over(kind: bytes) -> None:
    assert decode(kind + bytes(20)) is None
