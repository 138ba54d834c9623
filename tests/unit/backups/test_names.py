"""Names that a restore gives, and what it reads out of a table of contents."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gavan.backups.archive import Entry, read_contents
from gavan.backups.load import fresh_name
from gavan.backups.portable import portable_entries
from gavan.backups.rows import Table
from gavan.backups.swap import name_before, shortened

AT = datetime(2026, 11, 21, 3, 30, tzinfo=UTC)


def test_names_say_what_they_are_and_fit_into_63_bytes() -> None:
    assert name_before("board", AT) == "board_before_20261121033000"
    assert fresh_name("board", "20261121T033000Z-logical-ab12cd") == (
        "board_restore_20261121t033000z_ab12cd"
    )
    long = name_before("я" * 31, AT)
    assert len(long.encode()) <= 63
    assert long.endswith("_before_20261121033000")
    assert shortened("abc", "_x") == "abc_x"


@pytest.mark.parametrize(
    ("line", "kind", "title", "owner"),
    [
        ("3556; 0 1 TABLE DATA public card postgres", "TABLE DATA", "public.card", "postgres"),
        ("12; 2615 2 SCHEMA - auth supabase_admin", "SCHEMA", "-.auth", "supabase_admin"),
        (
            "1; 1259 3 TABLE public TABLE DATA x postgres",
            "TABLE",
            "public.TABLE DATA x",
            "postgres",
        ),
        ("7; 0 0 MATERIALIZED VIEW DATA a b c", "MATERIALIZED VIEW DATA", "a.b", "c"),
        (
            "8; 3256 4 POLICY storage objects own files x",
            "POLICY",
            "storage.objects own files",
            "x",
        ),
        ("9; 3079 5 EXTENSION - vector ", "EXTENSION", "-.vector", ""),
    ],
)
def test_a_line_of_the_contents_is_read(line: str, kind: str, title: str, owner: str) -> None:
    entry = Entry.parse(line)
    assert entry is not None
    assert (entry.kind, entry.title, entry.owner) == (kind, title, owner)


def test_a_schema_with_blanks_in_its_name_is_known_by_its_own_entry() -> None:
    entries = read_contents(
        "; a comment\n"
        "1; 2615 9 SCHEMA - my shop postgres\n"
        "2; 2615 9 SCHEMA - my postgres\n"
        "3; 1259 10 TABLE my shop price list postgres\n"
        "4; 0 10 TABLE DATA my shop price list postgres\n"
        "5; 1259 10 TABLE my card postgres\n"
    )
    assert [(one.kind, one.schema, one.name) for one in entries] == [
        ("SCHEMA", "-", "my shop"),
        ("SCHEMA", "-", "my"),
        ("TABLE", "my shop", "price list"),
        ("TABLE DATA", "my shop", "price list"),
        ("TABLE", "my", "card"),
    ]
    # None of it stays behind when it goes to another Supabase.
    assert [one.id for one in portable_entries(entries)] == [3, 4, 5]


def test_what_is_no_entry_is_none() -> None:
    assert Entry.parse("; Archive created at 2026-11-21") is None
    assert Entry.parse("") is None


def test_a_table_without_a_schema_is_public() -> None:
    assert Table.parse("card").title == "public.card"
    assert Table.parse("shop.thing").title == "shop.thing"
