"""The report of a drill says the same to people and to machines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gavan.backups.report import Check, Drilled, Outcome, as_data, as_markdown, shown_age

STARTED = datetime(2026, 11, 21, 4, 30, tzinfo=UTC)


def drilled(*outcomes: Outcome, detail: str = "fine") -> Drilled:
    checks = tuple(
        Check(name=f"check {number}", outcome=outcome, detail=detail, seconds=0.25)
        for number, outcome in enumerate(outcomes)
    )
    return Drilled(
        stack="board", backup="20261121T033000Z-logical-ab12cd", started=STARTED,
        ended=STARTED + timedelta(seconds=12), rto_s=7.25, rpo_s=3600.0,
        database_bytes=3 * 1024 * 1024, tool_version="1", checks=checks,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("outcomes", "ok"),
    [
        ((Outcome.OK,), True),
        ((Outcome.OK, Outcome.SKIP), True),
        ((Outcome.OK, Outcome.FAIL), False),
        ((Outcome.SKIP,), False),
        ((), False),
    ],
)
def test_a_drill_is_good_when_something_was_asked_and_nothing_failed(
    outcomes: tuple[Outcome, ...], ok: bool
) -> None:
    assert drilled(*outcomes).ok is ok
    assert as_data(drilled(*outcomes))["ok"] is ok
    assert ("# Restore drill passed" in as_markdown(drilled(*outcomes))) is ok


def test_a_detail_of_several_lines_with_bars_stays_one_row_of_the_table() -> None:
    text = as_markdown(drilled(Outcome.FAIL, detail="a | b\nand more"))
    assert "| check 0 | fail | 0.25 | a \\| b<br>and more |" in text.splitlines()


def test_the_figures_are_in_it() -> None:
    text = as_markdown(drilled(Outcome.OK))
    for line in ("| Back in service after (RTO) | 7.2 s |", "| Age of the data (RPO) | 1 h |"):
        assert line in text.splitlines()
    assert as_data(drilled(Outcome.OK))["started"] == "2026-11-21T04:30:00+00:00"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "0 s"), (59, "59 s"), (60, "1 min"), (3661, "1 h 1 min"), (90061, "1 d 1 h")],
)
def test_ages_are_said_in_two_words(seconds: float, said: str) -> None:
    assert shown_age(seconds) == said
