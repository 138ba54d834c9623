"""Counters against a clock that the test moves."""

from __future__ import annotations

from gavan.core.realtime.limits import Rate, Window


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_short_burst_passes_until_its_bucket_closes() -> None:
    clock = Clock()
    rate = Rate(10, clock)
    rate.add(1000)
    assert not rate.exceeded
    clock.now += 5
    assert rate.average == 200
    assert rate.exceeded


def test_the_average_looks_back_a_minute_and_then_forgets() -> None:
    clock = Clock()
    rate = Rate(10, clock)
    rate.add(600)
    clock.now += 60
    assert rate.average == 10
    assert not rate.exceeded
    clock.now += 5
    assert rate.average == 0


def test_a_long_silence_counts_as_silence() -> None:
    clock = Clock()
    rate = Rate(10, clock)
    rate.add(10_000)
    clock.now += 3600
    assert rate.average == 0


def test_a_window_allows_its_number_of_calls_and_slides() -> None:
    clock = Clock()
    window = Window(2, 30, clock)
    assert [window.allow() for _ in range(3)] == [True, True, False]
    clock.now += 31
    assert window.allow()
