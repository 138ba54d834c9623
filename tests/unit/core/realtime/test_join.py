"""Join payloads: what parses is taken, what does not takes its default and is named."""

from __future__ import annotations

import pytest

from gavan.core.realtime.join import JoinWish, change_id, read_join


@pytest.mark.parametrize("payload", [None, {}, {"config": None}, {"config": {}}])
def test_an_empty_payload_is_the_default_wish(payload: object) -> None:
    assert read_join(payload) == JoinWish()


def test_flags_are_booleans_or_their_names() -> None:
    wish = read_join({"config": {"private": "TRUE", "broadcast": {"self": True, "ack": "no"}}})
    assert (wish.private, wish.hears_self, wish.ack) == (True, True, False)
    assert wish.malformed == ("broadcast.ack",)


@pytest.mark.parametrize("payload", ["x", [], {"config": 1}, {"config": {"postgres_changes": {}}}])
def test_a_part_of_the_wrong_shape_is_named(payload: object) -> None:
    wish = read_join(payload)
    assert len(wish.malformed) == 1
    assert wish.changes == ()


def test_user_token_wins_over_access_token() -> None:
    assert read_join({"user_token": "a", "access_token": "b"}).token == "a"


def test_null_changes_are_dropped_and_order_is_kept() -> None:
    wanted = [{"table": "b"}, None, {"table": "a"}]
    changes = read_join({"config": {"postgres_changes": wanted}}).changes
    assert [change.params["table"] for change in changes] == ["b", "a"]


def test_an_id_depends_on_the_params_and_not_on_their_order() -> None:
    assert change_id({"a": 1, "b": 2}) == change_id({"b": 2, "a": 1})
    assert change_id({"a": 1}) != change_id({"a": 2})
    assert 1 <= change_id({}) <= 2**27
