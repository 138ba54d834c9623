"""What a reader has already, and which part he asks for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gavan.core.storage.errors import StorageError
from gavan.core.storage.objects.conditions import (
    State,
    check_preconditions,
    http_date,
    is_known,
    wanted_range,
)

STATE = State(etag='"abc"', modified=datetime(2021, 8, 12, 16, 0, 0, tzinfo=UTC))
SAME, LATER, EARLIER = (
    "Thu, 12 Aug 2021 16:00:00 GMT",
    "Thu, 12 Aug 2021 16:00:01 GMT",
    "Thu, 12 Aug 2021 15:59:59 GMT",
)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),
        ({"if-none-match": '"abc"'}, True),
        ({"if-none-match": 'W/"abc"'}, True),
        ({"if-none-match": '"x", "abc"'}, True),
        ({"if-none-match": "*"}, True),
        ({"if-none-match": "abc"}, False),
        ({"if-none-match": ""}, False),
        ({"if-none-match": '"x"', "if-modified-since": LATER}, False),
        ({"if-modified-since": SAME}, True),
        ({"if-modified-since": LATER}, True),
        ({"if-modified-since": EARLIER}, False),
        ({"if-modified-since": "yesterday"}, False),
        ({"if-modified-since": "Thu, 12 Aug 99999 16:00:00 GMT"}, False),
    ],
)
def test_what_the_reader_has_is_not_sent_again(headers: dict[str, str], expected: bool) -> None:
    assert is_known(headers, STATE) is expected


def test_a_state_without_a_tag_is_known_by_its_date_only() -> None:
    bare = State(etag="", modified=STATE.modified)
    assert not is_known({"if-none-match": ""}, bare)
    assert is_known({"if-modified-since": SAME}, bare)


@pytest.mark.parametrize(
    ("headers", "is_met"),
    [
        ({"if-match": '"abc"'}, True),
        ({"if-match": "*"}, True),
        ({"if-match": '"x"'}, False),
        ({"if-match": '"abc"', "if-unmodified-since": EARLIER}, True),
        ({"if-unmodified-since": SAME}, True),
        ({"if-unmodified-since": EARLIER}, False),
        ({"if-unmodified-since": "nonsense"}, True),
    ],
)
def test_a_reader_may_insist_on_a_state(headers: dict[str, str], is_met: bool) -> None:
    if is_met:
        check_preconditions(headers, STATE)
        return
    with pytest.raises(StorageError) as caught:
        check_preconditions(headers, STATE)
    assert caught.value.http_status == 412


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-0", (0, 0)),
        ("bytes=2-5", (2, 5)),
        ("bytes=2-", (2, 9)),
        ("bytes=-3", (7, 9)),
        ("bytes=-99", (0, 9)),
        ("bytes=9-99999999999999999", (9, 9)),
        ("bytes= 2 - 5", (2, 5)),
        ("lines=1-2", None),
    ],
)
def test_one_range_is_given(asked: str, expected: tuple[int, int] | None) -> None:
    assert wanted_range({"range": asked}, STATE, 10) == expected


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=", "bytes=-", "bytes=10-", "bytes=10-11", "bytes=5-2", "bytes=-0", "bytes=a-b",
        "bytes=0-1,3-4", "bytes=1-2-3", "bytes=+1-2", "bytes=٣-٤", "bytes:0-1",
        "bytes=" + "9" * 5000 + "-",
    ],
)  # fmt: skip
def test_a_range_that_cannot_be_given_is_refused_with_the_size(asked: str) -> None:
    with pytest.raises(StorageError) as caught:
        wanted_range({"range": asked}, STATE, 10)
    assert (caught.value.http_status, caught.value.code) == (416, "InvalidRange")
    assert caught.value.headers == {"content-range": "bytes */10"}


def test_of_nothing_there_is_no_range() -> None:
    with pytest.raises(StorageError):
        wanted_range({"range": "bytes=0-"}, STATE, 0)


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ('"abc"', (2, 5)),
        ('W/"abc"', None),
        ('"x"', None),
        (SAME, (2, 5)),
        (LATER, None),
        ("nonsense", None),
    ],
)
def test_a_range_of_what_is_gone_is_not_given(tag: str, expected: tuple[int, int] | None) -> None:
    assert wanted_range({"range": "bytes=2-5", "if-range": tag}, STATE, 10) == expected


def test_dates_are_written_as_headers_have_them() -> None:
    assert http_date(STATE.modified) == SAME
