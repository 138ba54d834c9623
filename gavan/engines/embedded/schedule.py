"""When a cron job is due: fields in a time zone, or every so many seconds.

Pure: moments in, moments out. Fields follow the wall clock of their zone over changes of daylight
saving time; `@every` counts seconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

_EVERY = re.compile(r"@every\s+(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
# A run that comes later than this was missed: the machine slept or the stack was down.
MISSED_AFTER = timedelta(seconds=60)


def next_due(schedule: str, tz: str, after: datetime) -> datetime:
    """Return the first moment after ``after`` (aware, any zone) as UTC."""
    every = _EVERY.fullmatch(schedule.strip())
    if every:
        seconds = float(every[1]) * _SECONDS[every[2]]
        return (after + timedelta(seconds=seconds)).astimezone(UTC)
    return next(CronSim(schedule, after.astimezone(ZoneInfo(tz)))).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Step:
    """What to do now: run for ``due`` or not, and when to look again."""

    due: datetime | None
    until: datetime


class Calendar:
    """One job's place in time; every due moment is given out at most once."""

    def __init__(self, schedule: str, tz: str, *, catch_up: bool, last: datetime | None) -> None:
        self._schedule = schedule
        self._tz = tz
        self._catch_up = catch_up
        self.last = last
        self._next: datetime | None = None

    def step(self, now: datetime) -> Step:
        """Return what is due now.

        A clock that jumps back repeats nothing: the next moment lies after the last one given
        out. Of the moments that were missed, one is made up if the job catches up, else none.
        """
        if self._next is None:
            self._next = self._first(now)
        if now < self._next:
            return Step(None, self._next)
        due = self._latest(now)
        self.last = due
        self._next = next_due(self._schedule, self._tz, due)
        is_missed = now - due > MISSED_AFTER
        return Step(None if is_missed and not self._catch_up else due, self._next)

    def _first(self, now: datetime) -> datetime:
        if self.last is not None and (self._catch_up or self.last > now):
            return next_due(self._schedule, self._tz, self.last)
        return next_due(self._schedule, self._tz, now)

    def _latest(self, now: datetime) -> datetime:
        """Return the last due moment that is not in the future."""
        due = self._next or now
        if _EVERY.fullmatch(self._schedule.strip()):
            step = next_due(self._schedule, self._tz, due) - due
            return due + step * ((now - due) // step)
        # After a long sleep only the last day is searched; a rarer job was due at most once.
        recent = next_due(self._schedule, self._tz, now - timedelta(days=1))
        due = recent if due < recent <= now else due
        while (later := next_due(self._schedule, self._tz, due)) <= now:
            due = later
        return due
