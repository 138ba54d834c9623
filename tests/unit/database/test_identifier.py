"""Quoting: any text becomes exactly one token."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pglast import parse_sql

from gavan.database.identifier import quote_identifier, quote_literal

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


def target(text: str) -> Any:
    (statement,) = parse_sql(text)
    node: Any = statement.stmt
    return node.targetList[0]


@given(NAMES)
def test_a_quoted_literal_parses_to_the_text_itself(text: str) -> None:
    assert target(f"select {quote_literal(text)}").val.val.sval == text


@given(NAMES.filter(lambda name: len(name.encode()) < 64))
def test_a_quoted_identifier_parses_to_the_name_itself(name: str) -> None:
    assert target(f"select 1 as {quote_identifier(name)}").name == name


def test_nul_is_dropped() -> None:
    assert quote_identifier('a\0"b') == '"a""b"'
