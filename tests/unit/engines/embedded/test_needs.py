"""Whether a unit may start."""

from __future__ import annotations

import pytest

from gavan.engines.embedded.model import Process, State, Status
from gavan.engines.embedded.needs import Blocked, Met, Waiting, closure, dependants, judge


def known(state: State, *, reason: str = "", wanted: bool = True) -> dict[str, Status]:
    return {"db": Status(name="db", kind="app", state=state, reason=reason, wanted=wanted)}


@pytest.mark.parametrize(
    ("condition", "state"),
    [
        ("started", State.STARTING),
        ("started", State.COMPLETED),
        ("healthy", State.HEALTHY),
        ("healthy", State.RUNNING),
        ("completed", State.COMPLETED),
    ],
)
def test_a_need_is_met(condition: str, state: State) -> None:
    assert judge({"db": condition}, known(state)) == Met()


@pytest.mark.parametrize(
    ("condition", "state"),
    [
        ("started", State.PENDING),
        ("healthy", State.STARTING),
        ("healthy", State.DEGRADED),
        ("completed", State.RUNNING),
        ("healthy", State.STOPPING),
    ],
)
def test_a_need_is_waited_for(condition: str, state: State) -> None:
    assert judge({"db": condition}, known(state)) == Waiting("db")


def test_a_failed_need_blocks_with_its_reason() -> None:
    verdict = judge({"db": "healthy"}, known(State.CRASH_LOOP, reason="exit 1"))
    assert verdict == Blocked("needs db: crash-loop (exit 1)")


def test_a_need_stopped_by_hand_blocks() -> None:
    assert isinstance(judge({"db": "healthy"}, known(State.STOPPED, wanted=False)), Blocked)


def test_a_block_wins_over_waiting() -> None:
    units = {**known(State.FAILED), "x": Status(name="x", kind="app", state=State.PENDING)}
    assert isinstance(judge({"x": "healthy", "db": "healthy"}, units), Blocked)


def test_a_need_that_is_not_of_this_plan_is_no_need() -> None:
    assert judge({"elsewhere": "healthy"}, {}) == Met()


def test_closure_and_dependants_follow_needs() -> None:
    def process(name: str, *needs: str) -> Process:
        return Process(
            name=name, kind="app", argv=("true",), cwd="/", needs=dict.fromkeys(needs, "healthy")
        )

    all_ = {p.name: p for p in (process("a"), process("b", "a"), process("c", "b"), process("d"))}
    assert closure(["c"], all_) == {"a", "b", "c"}
    assert dependants("a", all_.values()) == {"b"}
