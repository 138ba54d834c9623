"""Which base and which segments lead to a moment, and what is said when none do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gavan.backups.listing import Entry
from gavan.backups.model import NO_OBJECTS, Kind, Manifest, Sealed, State
from gavan.backups.road import parse_moment, road_to, spans
from gavan.backups.wal_archive import Segment, gaps, number_of_lsn
from gavan.kit.errors import GavanError

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def segment(number: int, minutes: float, timeline: int = 1) -> Segment:
    name = f"{timeline:08X}{0:08X}{number:08X}"
    return Segment(name=name, file=f"{name}.gz", bytes=1, sha256="", clear="", ended=at(minutes))


def base(number: int, minutes: float, timeline: int = 1) -> Entry:
    """A base that ended then, in that segment."""
    lsn = f"0/{number:X}000028"
    made = Manifest(
        id=f"base-{number}", stack="s", kind=Kind.PHYSICAL, started=at(minutes - 1),
        ended=at(minutes), tool_version="", server_version="18.1", system_identifier="1",
        timeline=timeline, lsn_start=lsn, lsn_end=lsn, database="postgres", database_bytes=1,
        rows={}, schema_hash="", migration_head="", extensions=(), roles=(), files=(),
        encryption=Sealed(method="none", recipients=()), objects=NO_OBJECTS, config=False,
    )  # fmt: skip
    return Entry(id=made.id, manifest=made, state=State.OK, reason="", kept=None)


def names(minutes: float, entries: list[Entry], segments: list[Segment]) -> list[int]:
    road = road_to(at(minutes), entries, segments)
    return [one.number for one in road.segments]


def test_the_road_ends_with_the_first_segment_that_ended_after_the_moment() -> None:
    segments = [segment(n, minutes=n) for n in range(2, 9)]
    assert names(4.5, [base(2, 1.5)], segments) == [2, 3, 4, 5]


def test_the_newest_base_before_the_moment_is_the_shortest_road() -> None:
    segments = [segment(n, minutes=n) for n in range(2, 9)]
    entries = [base(2, 1.5), base(5, 4.5), base(8, 7.5)]
    assert road_to(at(6), entries, segments).base.id == "base-5"


def test_a_damaged_base_leads_nowhere() -> None:
    entries = [replace(base(2, 1.5), state=State.FAILED, manifest=None)]
    with pytest.raises(GavanError, match="no backup leads"):
        road_to(at(3), entries, [segment(2, 5)])


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (0.5, ["first moment after it: 2026-11-21T12:01:30"]),
        (6.0, ["last moment before it: 2026-11-21T12:04:00",
               "first moment after it: 2026-11-21T12:07:30"]),
        (60.0, ["last moment before it: 2026-11-21T12:09:00"]),
    ],
    ids=["before the first base", "in a gap", "in the future"],
)  # fmt: skip
def test_what_cannot_be_reached_is_refused_with_the_nearest_moments(
    minutes: float, words: list[str]
) -> None:
    segments = [segment(n, minutes=n) for n in (2, 3, 4, 6, 7, 8, 9)]
    with pytest.raises(GavanError) as caught:
        road_to(at(minutes), [base(2, 1.5), base(8, 7.5)], segments)
    assert (caught.value.code, caught.value.exit_code) == ("GV455", 2)
    for said in words:
        assert said in str(caught.value.details)


def test_without_any_base_the_first_one_is_asked_for() -> None:
    with pytest.raises(GavanError) as caught:
        road_to(NOON, [], [])
    assert caught.value.hint == "gavan backup run --kind physical"


def history(timeline: int, minutes: float, *left: tuple[int, int]) -> Segment:
    """A timeline that began then, and in which segment each before it was left."""
    name = f"{timeline:08X}.history"
    before = tuple((one, f"0/{number:X}000100") for one, number in left)
    return Segment(name=name, file=f"{name}.gz", bytes=1, sha256="", clear="", ended=at(minutes),
                   left=before)  # fmt: skip


# At 10 the server went back to 2.5: the second timeline begins in segment 3.
BACK_ONCE = [
    *(segment(n, n) for n in range(2, 9)),
    history(2, 10, (1, 3)),
    *(segment(n, n + 8, 2) for n in range(3, 6)),
]


def test_a_moment_after_a_recovery_is_on_the_timeline_that_it_began() -> None:
    road = road_to(at(12.5), [base(2, 1.5)], BACK_ONCE)
    assert road.timeline == 2
    assert [(one.timeline, one.number) for one in road.segments[1:]] == [
        (1, 2), (2, 3), (2, 4), (2, 5),
    ]  # fmt: skip


def test_what_a_recovery_undid_can_be_reached() -> None:
    road = road_to(at(6.5), [base(2, 1.5)], BACK_ONCE)
    assert road.timeline == 1
    assert [(one.timeline, one.number) for one in road.segments[1:]] == [
        (1, 2), (1, 3), (1, 4), (1, 5), (1, 6), (1, 7),
    ]  # fmt: skip
    # All of them, so that the next timeline is not called like one that is there.
    assert road.segments[0].name == "00000002.history"


def test_while_the_server_was_recovered_there_is_no_moment_to_go_to() -> None:
    with pytest.raises(GavanError) as caught:
        road_to(at(9), [base(2, 1.5)], BACK_ONCE)
    assert "last moment before it: 2026-11-21T12:08" in str(caught.value.details)
    assert "first moment after it: 2026-11-21T12:10" in str(caught.value.details)


def test_a_timeline_that_left_before_the_base_is_no_road_of_it() -> None:
    found = spans([base(6, 5.5)], BACK_ONCE)
    assert [(span.line.id, span.last) for span in found] == [(1, at(8))]


def test_a_timeline_goes_through_those_it_came_from_alone() -> None:
    # Back to 2.5, then to 5.5 of the first one: the third knows nothing of the second.
    segments = [*BACK_ONCE, history(3, 20, (1, 6)), segment(6, 21, 3)]
    road = road_to(at(20.5), [base(2, 1.5)], segments)
    assert road.timeline == 3
    assert [(one.timeline, one.number) for one in road.segments[2:]] == [
        (1, 2), (1, 3), (1, 4), (1, 5), (3, 6),
    ]  # fmt: skip


def test_what_follows_is_there_for_a_log_that_came_late() -> None:
    segments = [segment(2, 2), *(segment(n, 9) for n in range(3, 6))]
    road = road_to(at(5), [base(2, 1.5)], segments)
    assert [one.number for one in road.segments] == [2, 3]
    assert [one.number for one in road.more] == [4, 5]


def test_a_base_reaches_until_the_first_gap() -> None:
    segments = [segment(n, minutes=n) for n in (2, 3, 5)]
    assert [span.last for span in spans([base(2, 1.5)], segments)] == [at(3)]
    assert [(a.number, b.number) for a, b in gaps(segments)] == [(3, 5)]


def test_positions_and_names_count_the_same_segments() -> None:
    assert number_of_lsn("0/2000028") == segment(2, 0).number
    assert number_of_lsn("1/0") == 256
    name = "000000010000000100000000"
    assert replace(segment(0, 0), name=name).number == 256


@pytest.mark.parametrize(
    "text",
    ["2026-01-31 12:00:00+00:00", "2026-01-31T15:00:00+03:00", "2026-01-31T12:00:00Z"],
)
def test_a_moment_has_a_zone(text: str) -> None:
    assert parse_moment(text) == datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026-01-31 12:00:00", "yesterday", "", "12:00+00:00"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    check: Callable[[str], object] = parse_moment
    with pytest.raises(GavanError) as caught:
        check(text)
    assert caught.value.code == "GV454"
