"""Presence diffs, merged the way clients merge them, always add up to the state."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gavan.core.realtime.presence import Diff, PresenceState

Wire = dict[str, Any]


def merge(state: Wire, diff: Wire) -> None:
    """Apply a diff as both clients do: joins first, then leaves by ``phx_ref``."""
    for key, joined in diff["joins"].items():
        state.setdefault(key, {"metas": []})["metas"].extend(joined["metas"])
    for key, left in diff["leaves"].items():
        gone = {meta["phx_ref"] for meta in left["metas"]}
        metas = [meta for meta in state[key]["metas"] if meta["phx_ref"] not in gone]
        state[key]["metas"] = metas
        if not metas:
            del state[key]


def test_track_joins_with_a_fresh_ref() -> None:
    diff = PresenceState().track("a", "ann", {"at": 1, "phx_ref": "forged"})
    assert diff is not None
    (present,) = diff.joins
    meta = present.meta
    assert (present.key, meta["at"]) == ("ann", 1)
    assert len(str(meta["phx_ref"])) >= 16
    assert diff.payload()["leaves"] == {}


def test_tracking_again_is_one_diff_with_join_and_leave() -> None:
    presence = PresenceState()
    first = presence.track("a", "ann", {"at": 1})
    second = presence.track("a", "ann", {"at": 2})
    assert first is not None
    assert second is not None
    assert second.leaves == first.joins
    assert second.joins[0].meta["phx_ref_prev"] == first.joins[0].ref


def test_the_same_payload_again_makes_no_diff() -> None:
    presence = PresenceState()
    presence.track("a", "ann", {"at": 1})
    assert presence.track("a", "ann", {"at": 1}) is None


def test_two_owners_of_one_key_are_two_metas() -> None:
    presence = PresenceState()
    presence.track("a", "ann", {})
    presence.track("b", "ann", {})
    state: Any = presence.payload()
    assert len(state["ann"]["metas"]) == 2
    presence.untrack("a")
    state = presence.payload()
    assert len(state["ann"]["metas"]) == 1


def test_untrack_of_a_stranger_makes_no_diff() -> None:
    assert PresenceState().untrack("nobody") is None


def test_a_diff_has_both_sides_on_the_wire() -> None:
    assert Diff().payload() == {"joins": {}, "leaves": {}}


steps = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["track", "untrack"]), st.integers(0, 2)),
    max_size=40,
)


@given(steps, st.integers(0, 40))
def test_a_late_reader_who_merges_diffs_sees_the_state(
    moves: list[tuple[str, str, int]], late: int
) -> None:
    presence = PresenceState()
    seen: Wire = {}
    for number, (owner, move, value) in enumerate(moves):
        if number == late:
            seen = copy.deepcopy(presence.payload())
        key = "even" if owner in "ac" else "odd"
        tracks = move == "track"
        diff = presence.track(owner, key, {"v": value}) if tracks else presence.untrack(owner)
        if diff is not None and number >= late:
            merge(seen, copy.deepcopy(diff.payload()))
    if len(moves) > late:
        assert _sorted(seen) == _sorted(presence.payload())


def _sorted(state: Wire) -> Wire:
    order = {
        key: sorted(value["metas"], key=lambda m: m["phx_ref"]) for key, value in state.items()
    }
    return dict(sorted(order.items()))
