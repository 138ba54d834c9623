"""Tokens of listings, in upstream's form."""

from __future__ import annotations

import base64

import pytest

from gavan.core.storage.errors import StorageError
from gavan.core.storage.listing.cursor import Cursor, read_cursor


@pytest.mark.parametrize(
    "cursor",
    [
        Cursor(after="a/b.txt"),
        Cursor(after="a/b: c.txt", order="desc"),
        Cursor(after="ä", order="asc", column="created_at", time="2026-01-01T10:00:00.123Z"),
    ],
)
def test_a_token_says_what_was_put_into_it(cursor: Cursor) -> None:
    assert read_cursor(str(cursor)) == cursor


def test_a_token_has_upstreams_form() -> None:
    token = str(Cursor(after="b", order="desc", column="updated_at", time="2026-01-01T10:00:00Z"))
    told = base64.b64decode(token).decode()
    assert told == "l:b\no:desc\nc:updated_at\na:2026-01-01T10:00:00Z"
    assert read_cursor(base64.b64encode(b"l:b").decode()) == Cursor(after="b")


@pytest.mark.parametrize(
    "text",
    ["x:b", "l", "l:b\nc:owner", "l:b\no:random", "l:b\na:now()", "l:b\na:2026-01-01", "\xff"],
)
def test_what_no_listing_has_said_is_refused(text: str) -> None:
    token = base64.b64encode(text.encode("latin-1")).decode()
    with pytest.raises(StorageError, match="Invalid Parameter continuation token"):
        read_cursor(token)


def test_what_is_no_base64_is_refused() -> None:
    with pytest.raises(StorageError, match="continuation token"):
        read_cursor("not a token!")
