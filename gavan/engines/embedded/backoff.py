"""Decide what follows an exit: another try after a delay, or the verdict crash-loop.

Pure: the keeper of a unit reports exits and carries the decision out.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

FIRST_DELAY_S = 0.5
CAP_S = 30.0
JITTER = 0.2
HEALTHY_RESET_S = 60.0
WINDOW_S = 300.0
MAX_FAILURES = 6
AT_ONCE_S = 1.0
SAME_LINE_LIMIT = 3

COMMAND_ENDS = (
    "command ends: the command of a service must stay in the foreground; "
    'for something that runs once use kind = "job"'
)
EXIT_MEANINGS = {
    126: "not executable",
    127: "command not found",
    137: "killed, likely out of memory",
    143: "ended by SIGTERM",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How one life of a process ended; a negative code is the number of the signal."""

    code: int
    at_s: float
    lived_s: float
    healthy_s: float
    last_line: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    delay_s: float


@dataclass(frozen=True, slots=True)
class CrashLoop:
    hint: str


class Backoff:
    """Remember the failures of one unit."""

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self.reset()

    def reset(self) -> None:
        """Forget everything: the unit was started by hand or its configuration changed."""
        self._failures: deque[float] = deque()
        self._streak = 0
        self._line = ""
        self._same_line = 0

    def after(self, exit_: Exit) -> Retry | CrashLoop:
        """Return what to do after the exit of a unit that should have stayed."""
        if exit_.code == 0 and exit_.lived_s < AT_ONCE_S:
            return CrashLoop(COMMAND_ENDS)
        if exit_.healthy_s >= HEALTHY_RESET_S:
            self.reset()
        self._count(exit_)
        if self._same_line >= SAME_LINE_LIMIT:
            return CrashLoop(f"the same error {self._same_line} times: {exit_.last_line[:200]}")
        if len(self._failures) >= MAX_FAILURES:
            return CrashLoop(f"{len(self._failures)} failures in {WINDOW_S / 60:.0f} minutes")
        # A unit that has run for days may still have an endless streak: the cap is far below 2**16.
        delay = min(CAP_S, FIRST_DELAY_S * 2 ** min(self._streak, 16))
        self._streak += 1
        return Retry(delay * (1 + JITTER * (2 * self._chance() - 1)))

    def _count(self, exit_: Exit) -> None:
        self._failures.append(exit_.at_s)
        while self._failures and exit_.at_s - self._failures[0] > WINDOW_S:
            self._failures.popleft()
        at_once = exit_.lived_s < AT_ONCE_S and exit_.last_line != ""
        if at_once and exit_.last_line == self._line:
            self._same_line += 1
        else:
            self._same_line = 1 if at_once else 0
        self._line = exit_.last_line


def describe_exit(code: int, signal_name: Callable[[int], str]) -> str:
    """Return an exit status in words: `exit 127: command not found`, `SIGKILL: ...`."""
    if code < 0:
        name = signal_name(-code)
        return f"{name}: likely out of memory, or killed by hand" if name == "SIGKILL" else name
    meaning = EXIT_MEANINGS.get(code)
    return f"exit {code}: {meaning}" if meaning else f"exit {code}"
