"""When cron jobs are due: zones, daylight saving, jumps of the clock, missed runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gavan.engines.embedded.schedule import Calendar, next_due


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def dues(calendar: Calendar, moments: list[datetime]) -> list[datetime]:
    return [due for moment in moments if (due := calendar.step(moment).due) is not None]


def minutes(start: str, count: int) -> list[datetime]:
    return [at(start) + timedelta(minutes=number) for number in range(count)]


def test_fields_follow_the_zone() -> None:
    due = next_due("30 3 * * *", "Europe/Berlin", at("2026-07-01T00:00:00"))
    assert due == at("2026-07-01T01:30:00")


def test_every_counts_seconds() -> None:
    assert next_due("@every 30s", "UTC", at("2026-01-01T00:00:00")) == at("2026-01-01T00:00:30")


def test_a_time_that_spring_skips_runs_once_that_day() -> None:
    # 2026-03-29 02:30 does not exist in Berlin: 02:00 becomes 03:00 at 01:00 UTC.
    calendar = Calendar("30 2 * * *", "Europe/Berlin", catch_up=False, last=None)
    found = dues(calendar, minutes("2026-03-28T22:00:00", 24 * 60))
    assert len(found) == 1
    assert at("2026-03-29T00:00:00") < found[0] < at("2026-03-29T02:00:00")


def test_a_time_that_autumn_repeats_runs_once() -> None:
    # 2026-10-25 02:30 comes twice in Berlin, at 00:30 and 01:30 UTC.
    calendar = Calendar("30 2 * * *", "Europe/Berlin", catch_up=False, last=None)
    assert len(dues(calendar, minutes("2026-10-24T20:00:00", 24 * 60))) == 1


def test_a_clock_that_jumps_back_repeats_nothing() -> None:
    calendar = Calendar("*/10 * * * *", "UTC", catch_up=False, last=None)
    before = dues(calendar, minutes("2026-01-01T12:00:00", 45))
    again = dues(calendar, minutes("2026-01-01T11:44:00", 60))
    assert [due.minute for due in before] == [10, 20, 30, 40]
    assert again == []


def test_a_machine_that_slept_runs_nothing_twice_and_makes_nothing_up() -> None:
    calendar = Calendar("0 * * * *", "UTC", catch_up=False, last=None)
    calendar.step(at("2026-01-01T12:30:00"))
    awake = [at("2026-01-01T20:30:00"), *minutes("2026-01-01T20:59:00", 3)]
    assert dues(calendar, awake) == [at("2026-01-01T21:00:00")]


def test_a_job_that_catches_up_runs_once_for_all_that_was_missed() -> None:
    calendar = Calendar("0 * * * *", "UTC", catch_up=True, last=at("2026-01-01T12:00:00"))
    found = dues(calendar, [at("2026-01-01T20:30:00"), at("2026-01-01T20:31:00")])
    assert found == [at("2026-01-01T20:00:00")]


def test_a_stack_that_was_down_makes_nothing_up_by_itself() -> None:
    calendar = Calendar("0 * * * *", "UTC", catch_up=False, last=at("2026-01-01T12:00:00"))
    assert dues(calendar, [at("2026-01-01T20:30:00"), at("2026-01-01T20:31:00")]) == []


def test_a_rare_job_is_found_after_a_long_sleep() -> None:
    calendar = Calendar("15 3 1 * *", "UTC", catch_up=True, last=at("2026-01-01T03:15:00"))
    assert dues(calendar, [at("2026-02-20T00:00:00")]) == [at("2026-02-01T03:15:00")]


def test_every_after_a_sleep_runs_once() -> None:
    calendar = Calendar("@every 30s", "UTC", catch_up=True, last=None)
    calendar.step(at("2026-01-01T12:00:00"))
    found = dues(calendar, [at("2026-01-01T14:00:10"), at("2026-01-01T14:00:11")])
    assert found == [at("2026-01-01T14:00:00")]
