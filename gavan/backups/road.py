"""Which base and which segments lead to a moment in the past, or why none do; pure.

Stands between what is stored and the recovery.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gavan.backups.listing import Entry
from gavan.backups.model import Kind, Manifest, State
from gavan.backups.wal_archive import (
    SEGMENT_BYTES,
    Segment,
    is_history,
    is_segment,
    number_of_lsn,
)
from gavan.kit.errors import GavanError


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A timeline: since when it is the server's, and in which segment each before it began."""

    id: int
    began: datetime
    starts: tuple[tuple[int, int], ...]

    def timeline_of(self, number: int) -> int:
        """Return the timeline whose segment of this number counts."""
        return max(timeline for timeline, start in self.starts if start <= number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of time on a timeline that is reached without a gap; both ends included."""

    base: Manifest
    first: datetime
    last: datetime
    line: Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """A base and the segments after it, in order; history files are among them.

    All of them: a new timeline must have a number that no other has. ``more``: what follows, for
    the moment may be behind segments that were received late.
    """

    base: Manifest
    timeline: int
    segments: tuple[Segment, ...]
    more: tuple[Segment, ...] = ()

    @property
    def bytes(self) -> int:
        """What the segments need on the disk."""
        return len(self.segments) * SEGMENT_BYTES


def parse_moment(text: str) -> datetime:
    """Return a moment; raise GavanError GV454 for text that is none, or has no zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _no_moment(text, "it is no time") from None
    if moment.tzinfo is None:
        raise _no_moment(text, "it has no zone, and a guess may be hours off")
    return moment.astimezone(UTC)


def _no_moment(text: str, why: str) -> GavanError:
    return GavanError(
        "GV454",
        f'"{text}" does not say a moment: {why}',
        hint='write it like "2026-01-31 12:00:00+00:00" or "2026-01-31T15:00:00+03:00"',
        exit_code=2,
    )


def spans(entries: Sequence[Entry], segments: Sequence[Segment]) -> list[Span]:
    """Return every stretch of time that can be reached: oldest base first, then by timeline.

    A recovery begins a timeline and leaves the former one where it was. A moment belongs to the
    timeline that was the server's then: what was undone by a recovery can be reached as well.
    """
    found = []
    for entry in entries:
        made = entry.manifest
        if made is None or made.kind is not Kind.PHYSICAL or entry.state is State.FAILED:
            continue
        for line in _lines(made, segments):
            chain = _chain(made, line, segments)
            last = max([line.began, *(one.ended for one in chain if one.timeline == line.id)])
            if chain or line.id == made.timeline:
                found.append(Span(base=made, first=line.began, last=last, line=line))
    return found


def road_to(moment: datetime, entries: Sequence[Entry], segments: Sequence[Segment]) -> Road:
    """Return the shortest road to a moment.

    Raises:
        GavanError: GV455 with the nearest moments that can be reached.
    """
    known = spans(entries, segments)
    fitting = [span for span in known if span.first <= moment <= span.last]
    if not fitting:
        raise _unreachable(moment, known)
    span = max(fitting, key=lambda one: (one.line.id, one.base.ended))
    chain = _chain(span.base, span.line, segments)
    # The first that ends after the moment holds the commits up to it, if it came when it was
    # written; what was received late is dated late.
    ends = (at for at, one in enumerate(chain, 1) if one.ended >= moment)
    needed = next(ends, len(chain))
    histories = [one for one in segments if is_history(one.name)]
    return Road(
        base=span.base,
        timeline=span.line.id,
        segments=(*histories, *chain[:needed]),
        more=tuple(chain[needed:]),
    )


def _lines(base: Manifest, segments: Sequence[Segment]) -> Iterator[Line]:
    """Walk the timelines that a base leads to, its own first."""
    yield Line(id=base.timeline, began=base.ended, starts=((base.timeline, 0),))
    for history in segments:
        left = dict(history.left)
        if base.timeline not in left or history.timeline <= base.timeline:
            continue
        if _position(left[base.timeline]) < _position(base.lsn_end):
            continue
        # Each begins in the segment where the one before it was left.
        ids = [*left, history.timeline]
        starts = [0, *(number_of_lsn(lsn) for lsn in left.values())]
        yield Line(
            id=history.timeline,
            began=max(base.ended, history.ended),
            starts=tuple(zip(ids, starts, strict=True)),
        )


def _chain(base: Manifest, line: Line, segments: Sequence[Segment]) -> list[Segment]:
    """Return the segments of a timeline and those before it, from the base on, to the first gap."""
    known = {(one.timeline, one.number): one for one in segments if is_segment(one.name)}
    number = number_of_lsn(base.lsn_end)
    chain = []
    while (found := known.get((line.timeline_of(number), number))) is not None:
        chain.append(found)
        number += 1
    return chain


def _position(lsn: str) -> int:
    high, low = (int(part, 16) for part in lsn.split("/"))
    return high << 32 | low


def _unreachable(moment: datetime, known: Sequence[Span]) -> GavanError:
    before = max((span.last for span in known if span.last < moment), default=None)
    after = min((span.first for span in known if span.first > moment), default=None)
    near = [f"the last moment before it: {before.isoformat()}" if before else "",
            f"the first moment after it: {after.isoformat()}" if after else ""]  # fmt: skip
    return GavanError(
        "GV455",
        f"no backup leads to {moment.isoformat()}",
        details="\n".join(filter(None, near)) or "there is no physical backup at all",
        hint="take one of these moments" if known else "gavan backup run --kind physical",
        exit_code=2,
    )
