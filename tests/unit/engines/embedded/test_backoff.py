"""Delays and verdicts after an exit."""

from __future__ import annotations

from gavan.engines.embedded.backoff import (
    CAP_S,
    COMMAND_ENDS,
    Backoff,
    CrashLoop,
    Exit,
    Retry,
    describe_exit,
)


def exit_(
    at_s: float, *, code: int = 1, lived_s: float = 5.0, healthy_s: float = 0.0, line: str = ""
) -> Exit:
    return Exit(code=code, at_s=at_s, lived_s=lived_s, healthy_s=healthy_s, last_line=line)


def middle() -> float:
    return 0.5


def test_delays_double_and_stop_growing() -> None:
    backoff = Backoff(middle)
    delays = []
    for number in range(12):
        # Far apart, so that no window of five minutes holds six of them.
        verdict = backoff.after(exit_(number * 100.0))
        assert isinstance(verdict, Retry)
        delays.append(verdict.delay_s)
    assert delays[:4] == [0.5, 1.0, 2.0, 4.0]
    assert delays[-1] == CAP_S


def test_jitter_stays_within_a_fifth() -> None:
    low, high = Backoff(lambda: 0.0).after(exit_(0.0)), Backoff(lambda: 1.0).after(exit_(0.0))
    assert isinstance(low, Retry)
    assert isinstance(high, Retry)
    assert (low.delay_s, high.delay_s) == (0.4, 0.6)


def test_six_failures_in_five_minutes_are_a_crash_loop() -> None:
    backoff = Backoff(middle)
    verdicts = [backoff.after(exit_(number * 50.0)) for number in range(6)]
    assert [type(verdict) for verdict in verdicts] == [Retry] * 5 + [CrashLoop]


def test_a_healthy_minute_forgives() -> None:
    backoff = Backoff(middle)
    for number in range(4):
        backoff.after(exit_(float(number)))
    assert backoff.after(exit_(80.0, healthy_s=61.0)) == Retry(0.5)


def test_the_same_last_line_three_times_at_once_is_a_crash_loop() -> None:
    backoff = Backoff(middle)
    verdicts = [backoff.after(exit_(n * 1.0, lived_s=0.2, line="no PORT")) for n in range(3)]
    assert isinstance(verdicts[1], Retry)
    assert isinstance(verdicts[2], CrashLoop)
    assert "no PORT" in verdicts[2].hint


def test_different_last_lines_are_tried_on() -> None:
    backoff = Backoff(middle)
    verdicts = [backoff.after(exit_(n * 1.0, lived_s=0.2, line=f"line {n}")) for n in range(3)]
    assert all(isinstance(verdict, Retry) for verdict in verdicts)


def test_a_service_that_exits_0_at_once_is_told_to_stay() -> None:
    assert Backoff(middle).after(exit_(0.0, code=0, lived_s=0.1)) == CrashLoop(COMMAND_ENDS)


def test_exit_codes_in_words() -> None:
    assert describe_exit(127, str) == "exit 127: command not found"
    assert describe_exit(3, str) == "exit 3"
    assert describe_exit(-9, lambda _: "SIGKILL").startswith("SIGKILL: likely out of memory")
