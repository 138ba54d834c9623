"""Entries become wishes; the index groups equal ones so that each is judged once."""

from __future__ import annotations

import json

import pytest

from gavan.core.realtime.codec import Framed, Version
from gavan.core.realtime.join import WantedChange
from gavan.core.realtime.subscriptions import Entry, Index, SubscriptionError, Wish, read_wish
from gavan.core.realtime.tokens import Access


class Listener:
    """A subscriber that keeps what it is told."""

    version = Version.V2
    topic = "realtime:t"
    access: Access | None = None
    wanted: tuple[WantedChange, ...] = ()

    def send(self, frame: Framed) -> None:
        raise AssertionError("nothing is sent here")

    def system(self, status: str, text: str, extension: str = "system") -> None:
        raise AssertionError("nothing is said here")


def wish(**params: object) -> Wish:
    return read_wish(WantedChange(params, 5))


@pytest.mark.parametrize(
    ("params", "covered"),
    [
        ({"schema": "public", "table": "note"}, {"public.note"}),
        ({"schema": "public"}, {"public.note", "public.card"}),
        ({"table": "card"}, {"public.card"}),
        ({"schema": "*", "table": "*"}, {"public.note", "public.card", "other.note"}),
        ({"schema": "*", "table": "note"}, {"public.note", "other.note"}),
    ],
)
def test_schema_and_table_name_their_tables(params: dict[str, str], covered: set[str]) -> None:
    tables = [("public", "note"), ("public", "card"), ("other", "note")]
    assert {f"{s}.{t}" for s, t in tables if wish(**params).covers(s, t)} == covered


def test_an_event_is_one_action_or_all() -> None:
    assert wish(table="t", event="insert").actions == ("INSERT",)
    assert wish(table="t", event="anything").actions == ("INSERT", "UPDATE", "DELETE")
    assert wish(table="t").actions == ("INSERT", "UPDATE", "DELETE")


@pytest.mark.parametrize(
    "params",
    [{}, {"event": "*"}, {"schema": 1}, {"table": None}, {"table": "t", "filter": "a=eq.1"},
     {"schema": "s", "table": "t", "filter": None}, {"schema": "s", "table": "t", "select": "a"},
     {"schema": "s", "table": "*", "select": ["a"]}],
)  # fmt: skip
def test_an_entry_without_meaning_is_refused(params: dict[str, object]) -> None:
    with pytest.raises(SubscriptionError):
        wish(**params)


def test_equal_viewers_conditions_and_shapes_are_listed_once() -> None:
    index = Index()
    for number in range(3):
        listener = Listener()
        filtered = wish(schema="public", table="t", filter="a=eq.1")
        claims = "{}" if number < 2 else '{"sub":"x"}'
        index.put(listener, [Entry(listener, filtered, 1, "authenticated", claims)])
    grouped = index.lookup(1, "INSERT")
    assert grouped is not None
    assert json.loads(grouped.viewers) == [
        ["authenticated", "{}"],
        ["authenticated", '{"sub":"x"}'],
    ]
    assert json.loads(grouped.conditions) == [[["a", "eq", "1", False]]]
    assert json.loads(grouped.shapes) == [["authenticated", None]]
    assert json.loads(grouped.groups) == [[0, 0, 0], [0, 1, 0]]
    assert [len(group) for group in grouped.members] == [2, 1]


def test_a_dropped_subscriber_leaves_nothing_behind() -> None:
    index = Index()
    listener = Listener()
    index.put(listener, [Entry(listener, wish(table="t", event="DELETE"), 1, "anon", "{}")])
    assert index.wants(1, "DELETE")
    assert not index.wants(1, "INSERT")
    index.put(listener, [])
    assert index.lookup(1, "DELETE") is None
    index.drop(listener)
    index.drop(listener)
    assert len(index) == 0
