"""Which backups stay: from what there is, the time and the rules; pure.

Stands before prune.py, which removes what this says. Days, weeks and months are those of UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gavan.backups.listing import Entry
from gavan.backups.model import Kind, State
from gavan.kit.errors import GavanError
from gavan.stack.model import Keep

FAILED_STAY = timedelta(days=3)
CLOCK_SLACK = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What of a backup matters here; ``kept``: why a person keeps it."""

    id: str
    kind: Kind
    at: datetime
    state: State
    kept: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """``reasons`` why it stays, or the one why it goes."""

    id: str
    stays: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """``window`` of point-in-time recovery; None: physical backups follow the rules of others."""

    keep: Keep
    window: timedelta | None


def candidate(entry: Entry) -> Candidate:
    """Return what matters of a backup; a damaged one has its time and kind in its name."""
    made = entry.manifest
    stamp, kind = entry.id.split("-")[:2]
    at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return Candidate(
        id=entry.id,
        kind=Kind(kind),
        at=made.started if made else at,
        state=entry.state,
        kept=entry.kept,
    )


def require_clock(candidates: Iterable[Candidate], now: datetime) -> None:
    """Refuse to judge by a clock that was moved back; raise GavanError GV414."""
    newest = max((one.at for one in candidates), default=now)
    if newest - now <= CLOCK_SLACK:
        return
    raise GavanError(
        "GV414",
        f"the clock says {now:%Y-%m-%d %H:%M} UTC, and the newest backup is of"
        f" {newest:%Y-%m-%d %H:%M}",
        details="with a clock that was moved back the wrong backups would go; nothing was removed",
        hint="set the clock right",
    )


def decide(candidates: Sequence[Candidate], now: datetime, policy: Policy) -> list[Decision]:
    """Return for each backup, newest first, whether it stays, and why."""
    newest_first = sorted(candidates, key=lambda one: (one.at, one.id), reverse=True)
    reasons: dict[str, list[str]] = {one.id: [] for one in newest_first}
    for backup_id, reason in _reasons(newest_first, now, policy):
        reasons[backup_id].append(reason)
    _add_minimum(newest_first, reasons, policy.keep.min)
    return [
        Decision(
            id=one.id,
            stays=bool(reasons[one.id]),
            reasons=tuple(reasons[one.id]) or (_why_not(one),),
        )
        for one in newest_first
    ]


def _reasons(
    candidates: Sequence[Candidate], now: datetime, policy: Policy
) -> Iterator[tuple[str, str]]:
    good = [one for one in candidates if one.state is State.OK]
    bases = [one for one in good if one.kind is Kind.PHYSICAL] if policy.window else []
    slotted = [one for one in good if one not in bases]
    keep = policy.keep
    yield from _slots(slotted, keep.daily, lambda at: f"{at:%Y-%m-%d}", "newest of {}")
    yield from _slots(slotted, keep.weekly, _week, "newest of week {}")
    yield from _slots(slotted, keep.monthly, lambda at: f"{at:%Y-%m}", "newest of {}")
    if policy.window:
        yield from _window(bases, now, policy.window)
    for one in candidates:
        if one.kept is not None:
            yield one.id, f"kept: {one.kept}"
    yield from _young(candidates, good, now)


def _slots(
    good: Sequence[Candidate], count: int, name: Callable[[datetime], str], words: str
) -> Iterator[tuple[str, str]]:
    """Yield the newest of each of the last ``count`` days (weeks, months) that have one."""
    taken: dict[str, Candidate] = {}
    for one in good:
        slot = name(one.at.astimezone(UTC))
        if slot not in taken and len(taken) < count:
            taken[slot] = one
            yield one.id, f"{words.format(slot)} ({len(taken)} of {count})"


def _week(at: datetime) -> str:
    year, week, _ = at.isocalendar()
    return f"{year}-W{week:02}"


def _window(
    bases: Sequence[Candidate], now: datetime, window: timedelta
) -> Iterator[tuple[str, str]]:
    """Yield the bases inside the window, and the one that its beginning needs."""
    days = f"{window / timedelta(days=1):g} d"
    for one in bases:
        if now - one.at <= window:
            yield one.id, f"base inside the window of {days}"
            continue
        yield one.id, f"base that the window of {days} begins with"
        return


def _young(
    candidates: Sequence[Candidate], good: Sequence[Candidate], now: datetime
) -> Iterator[tuple[str, str]]:
    """Yield what is not good and yet stays: for a while, or for lack of something better."""
    for one in candidates:
        if one.state is State.OK:
            continue
        if now - one.at < FAILED_STAY:
            yield one.id, f"{one.state}, and not yet {FAILED_STAY.days} days old"
        newer = any(other.at > one.at and other.kind is one.kind for other in good)
        if one.state is State.PARTIAL and not newer:
            yield one.id, "only here, and nothing newer is whole"


def _add_minimum(
    candidates: Sequence[Candidate], reasons: dict[str, list[str]], least: int
) -> None:
    """Let the newest good ones stay when the rules left fewer than ``least`` of them."""
    good = [one for one in candidates if one.state is State.OK]
    missing = least - sum(bool(reasons[one.id]) for one in good)
    for one in [one for one in good if not reasons[one.id]][: max(0, missing)]:
        reasons[one.id].append(f"at least {least} good ones stay")


def _why_not(one: Candidate) -> str:
    match one.state:
        case State.OK:
            return "no rule wants it"
        case State.PARTIAL:
            return "only here, and a newer one is whole"
        case State.FAILED:
            return f"damaged, and {FAILED_STAY.days} days old"
