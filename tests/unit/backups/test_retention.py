"""Which backups stay, by days with and without one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gavan.backups.layout import new_id
from gavan.backups.listing import Entry
from gavan.backups.model import Kind, State
from gavan.backups.retention import (
    Candidate,
    Decision,
    Policy,
    candidate,
    decide,
    require_clock,
)
from gavan.kit.errors import GavanError
from gavan.stack.model import Keep

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)  # a Saturday
DAY = timedelta(days=1)


def policy(
    daily: int = 7, weekly: int = 4, monthly: int = 6, least: int = 2, window: int | None = None
) -> Policy:
    return Policy(
        keep=Keep(daily=daily, weekly=weekly, monthly=monthly, min=least),
        window=None if window is None else window * DAY,
    )


def made(
    age: timedelta,
    state: State = State.OK,
    *,
    kind: Kind = Kind.LOGICAL,
    kept: str | None = None,
) -> Candidate:
    return Candidate(id=new_id(kind, NOW - age), kind=kind, at=NOW - age, state=state, kept=kept)


def staying(decisions: list[Decision]) -> list[str]:
    return [one.id for one in decisions if one.stays]


def reasons(decisions: list[Decision], one: Candidate) -> tuple[str, ...]:
    return next(decision.reasons for decision in decisions if decision.id == one.id)


def test_seven_distinct_days_stay_with_three_on_one_day_and_a_day_missing() -> None:
    """Trap 43."""
    hours = timedelta(hours=1)
    today = [made(2 * hours), made(hours), made(3 * hours)]
    days = [made(n * DAY) for n in range(1, 12) if n != 4]
    decisions = decide([*today, *days], NOW, policy(weekly=0, monthly=0))
    assert staying(decisions) == [today[1].id, *[one.id for one in days[:6]]]
    assert reasons(decisions, today[1])[0] == "newest of 2026-11-21 (1 of 7)"
    assert reasons(decisions, days[5])[0] == "newest of 2026-11-14 (7 of 7)"
    assert reasons(decisions, today[0]) == ("no rule wants it",)
    assert reasons(decisions, days[6]) == ("no rule wants it",)


def test_a_week_is_kept_by_its_sunday() -> None:
    days = [made(n * DAY) for n in range(30)]
    decisions = decide(days, NOW, policy(daily=0, monthly=0, weekly=4, least=1))
    kept = [one for one in days if one.id in staying(decisions)]
    # The running week has no Sunday yet, so its newest; the others end on one.
    assert [one.at.weekday() for one in kept] == [5, 6, 6, 6]
    assert reasons(decisions, kept[1]) == ("newest of week 2026-W46 (2 of 4)",)


def test_months_reach_further_back_than_weeks() -> None:
    days = [made(n * DAY) for n in range(0, 400, 3)]
    decisions = decide(days, NOW, policy())
    kept = [one.at for one in days if one.id in staying(decisions)]
    assert len({(at.year, at.month) for at in kept}) == 6
    assert kept[-1] == max(one.at for one in days if one.at.month == 6 and one.at.year == 2026)


def test_the_minimum_stays_however_old_it_is() -> None:
    old = [made(n * DAY) for n in (700, 800, 900)]
    decisions = decide(old, NOW, policy(daily=0, weekly=0, monthly=0))
    assert staying(decisions) == [old[0].id, old[1].id]
    assert reasons(decisions, old[1]) == ("at least 2 good ones stay",)


def test_what_is_not_good_takes_no_place_of_what_is() -> None:
    good = [made(n * DAY) for n in (3, 5)]
    bad = [made(n * DAY, State.FAILED) for n in (1, 2, 4)]
    decisions = decide([*good, *bad], NOW, policy(weekly=0, monthly=0, daily=2))
    assert staying(decisions) == [bad[0].id, bad[1].id, good[0].id, good[1].id]
    assert reasons(decisions, bad[2]) == ("damaged, and 3 days old",)


def test_backups_of_days_without_a_second_place_stay_until_one_arrives() -> None:
    """Trap 37: the key expired five days ago."""
    partial = [made(n * DAY, State.PARTIAL) for n in range(5)]
    whole = made(6 * DAY)
    decisions = decide([*partial, whole], NOW, policy())
    assert len(staying(decisions)) == 6
    assert "only here, and nothing newer is whole" in reasons(decisions, partial[4])
    later = made(timedelta(hours=-1))
    decisions = decide([*partial, whole, later], NOW + DAY / 12, policy())
    assert reasons(decisions, partial[4]) == ("only here, and a newer one is whole",)


def test_what_a_person_keeps_stays() -> None:
    mark = made(500 * DAY, kept="before the move")
    decisions = decide([made(DAY), made(2 * DAY), mark], NOW, policy(monthly=0))
    assert reasons(decisions, mark)[-1] == "kept: before the move"


def test_the_window_keeps_the_base_that_it_begins_with() -> None:
    bases = [made(n * DAY, kind=Kind.PHYSICAL) for n in (2, 6, 9, 16)]
    decisions = decide(bases, NOW, policy(daily=0, weekly=0, monthly=0, least=1, window=7))
    assert staying(decisions) == [one.id for one in bases[:3]]
    assert reasons(decisions, bases[2]) == ("base that the window of 7 d begins with",)


def test_a_clock_that_was_moved_back_is_no_judge() -> None:
    """Trap 18."""
    future = [made(-2 * DAY)]
    with pytest.raises(GavanError) as caught:
        require_clock(future, NOW)
    assert caught.value.code == "GV414"
    require_clock([made(timedelta(minutes=-59))], NOW)
    require_clock([], NOW)


def test_a_damaged_backup_has_its_time_in_its_name() -> None:
    entry = Entry(id="20261120T033000Z-physical-ab12cd", manifest=None, state=State.FAILED,
                  reason="?", kept=None)  # fmt: skip
    assert candidate(entry) == Candidate(
        id=entry.id, kind=Kind.PHYSICAL, at=datetime(2026, 11, 20, 3, 30, tzinfo=UTC),
        state=State.FAILED,
    )  # fmt: skip


_AGES = st.lists(st.integers(0, 3000), max_size=60, unique=True)


@given(ages=_AGES, least=st.integers(1, 5), data=st.data())
def test_pruning_twice_changes_nothing_and_the_minimum_always_stays(
    ages: list[int], least: int, data: st.DataObject
) -> None:
    states = st.sampled_from(State)
    all_ = [made(timedelta(hours=age), data.draw(states)) for age in ages]
    rules = policy(least=least)
    first = staying(decide(all_, NOW, rules))
    left = [one for one in all_ if one.id in first]
    assert staying(decide(left, NOW, rules)) == first
    good = [one for one in all_ if one.state is State.OK]
    assert sum(one.state is State.OK for one in left) >= min(least, len(good))
