"""How a stack stands with its backups: the newest good one, its age, what went wrong last.

Stands above the listing, for `gavan status` and whoever watches.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gavan.backups.layout import Repository
from gavan.backups.listing import backups
from gavan.backups.model import State
from gavan.backups.report import last_drills
from gavan.backups.runs import Run, read_runs
from gavan.engines.embedded.schedule import next_due
from gavan.stack.model import Backup

MOST_OF_A_DRILL = timedelta(hours=2)
"""So long one may take that has begun when it was due"""


class Verdict(StrEnum):
    """``none``: there is no good one; ``overdue``: the newest is older than max_age."""

    OK = "ok"
    PARTIAL = "partial"
    FAILED = "failed"
    OVERDUE = "overdue"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """The last drill: whether the backup restored, and how long ago that was."""

    ok: bool
    backup: str
    age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """``newest`` and ``age_s`` are of the newest good one; ``message`` is what went wrong last."""

    verdict: Verdict
    newest: str | None
    age_s: float | None
    message: str
    drill: Rehearsal | None


def standing(repository: Repository, settings: Backup, now: datetime) -> Standing | None:
    """Return how it stands; None for a stack that makes none and was never asked to."""
    entries = backups(repository)
    runs = read_runs(repository)
    if settings.schedule is None and not entries and not runs:
        return None
    good = [one.manifest for one in entries if one.manifest and one.state is State.OK]
    newest = good[-1] if good else None
    age_s = (now - newest.started).total_seconds() if newest else None
    last = runs[-1] if runs else None
    is_overdue = settings.schedule is not None and age_s is not None and age_s > settings.max_age_s
    return Standing(
        verdict=_verdict(last, is_overdue=is_overdue, has_good=newest is not None),
        newest=newest.id if newest else None,
        age_s=age_s,
        message=f"{last.code} {last.message}" if last and last.state is not State.OK else "",
        drill=_last_drill(repository, now),
    )


def drill_overdue_since(
    repository: Repository, schedule: str | None, now: datetime
) -> datetime | None:
    """Return since when there was no drill, when two have been due since then; else None.

    ``schedule`` None: none are due by themselves. Before the first one the oldest backup counts.
    """
    drills = last_drills(repository)
    oldest = [one.manifest.started for one in backups(repository) if one.manifest is not None]
    if schedule is None or not (drills or oldest):
        return None
    since = datetime.fromisoformat(drills[-1]["started"]) if drills else oldest[0]
    second = next_due(schedule, "UTC", next_due(schedule, "UTC", since))
    return since if now > second + MOST_OF_A_DRILL else None


def was_proved(repository: Repository, now: datetime, within: timedelta) -> bool:
    """Say whether a drill restored a backup within that time."""
    return any(
        drilled["ok"] and now - datetime.fromisoformat(drilled["started"]) <= within
        for drilled in last_drills(repository)
    )


def _last_drill(repository: Repository, now: datetime) -> Rehearsal | None:
    drills = last_drills(repository)
    if not drills:
        return None
    last = drills[-1]
    age_s = (now - datetime.fromisoformat(last["started"])).total_seconds()
    return Rehearsal(ok=bool(last["ok"]), backup=str(last["backup"]), age_s=age_s)


def _verdict(last: Run | None, *, is_overdue: bool, has_good: bool) -> Verdict:
    if last is not None and last.state is State.FAILED:
        return Verdict.FAILED
    if last is not None and last.state is State.PARTIAL:
        return Verdict.PARTIAL
    if is_overdue:
        return Verdict.OVERDUE
    return Verdict.OK if has_good else Verdict.NONE
