"""Which base and which segments lead to a moment in the past, or why none do; pure.

Stands between what is stored and the recovery.
"""

from __future__ import annotations

from collections.abc import Sequence
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
class Span:
    """A stretch of time that can be reached without a gap; both ends included."""

    base: Manifest
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """A base and the segments after it, in order; history files are among them."""

    base: Manifest
    segments: tuple[Segment, ...]

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
    """Return every stretch of time that can be reached, oldest base first."""
    found = []
    for entry in entries:
        made = entry.manifest
        if made is None or made.kind is not Kind.PHYSICAL or entry.state is State.FAILED:
            continue
        chain = _chain(made, segments)
        last = max([made.ended, *(one.ended for one in chain if is_segment(one.name))])
        found.append(Span(base=made, first=made.ended, last=last))
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
    base = fitting[-1].base
    chain = _chain(base, segments)
    needed: list[Segment] = []
    for segment in chain:
        needed.append(segment)
        # The first that ends after the moment holds the commits up to it.
        if is_segment(segment.name) and segment.ended >= moment:
            break
    histories = [one for one in segments if is_history(one.name) and one not in needed]
    return Road(base=base, segments=(*histories, *needed))


def _chain(base: Manifest, segments: Sequence[Segment]) -> list[Segment]:
    """Return the segments from the base on, to the first gap; the newest timeline wins."""
    number = number_of_lsn(base.lsn_end)
    by_number: dict[int, Segment] = {}
    for segment in segments:
        if is_segment(segment.name) and segment.timeline >= base.timeline:
            former = by_number.get(segment.number)
            if former is None or former.timeline < segment.timeline:
                by_number[segment.number] = segment
    chain = []
    while number in by_number:
        chain.append(by_number[number])
        number += 1
    return chain


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
