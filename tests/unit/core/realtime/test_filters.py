"""The filter grammar: conditions, quotes, lists and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gavan.core.realtime.filters import Condition, FilterError, parse_filter


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("", ()),
        ("  ", ()),
        ("id=eq.1", (Condition("id", "eq", "1"),)),
        ("id=not.eq.1", (Condition("id", "eq", "1", True),)),
        ("a=eq.1,b=lt.2", (Condition("a", "eq", "1"), Condition("b", "lt", "2"))),
        ("a=eq.x=y.z", (Condition("a", "eq", "x=y.z"),)),
        ('a=eq."x,y"', (Condition("a", "eq", "x,y"),)),
        (r'a=eq."x\"y\\"', (Condition("a", "eq", 'x"y\\'),)),
        ('a=eq."open', (Condition("a", "eq", '"open'),)),
        ('a=eq."x"y', (Condition("a", "eq", '"x"y'),)),
        ("a=eq.f(x,y)", (Condition("a", "eq", "f(x,y)"),)),
        ("a=eq.", (Condition("a", "eq", ""),)),
        ("a=is.NULL", (Condition("a", "is", "null"),)),
        ("a=in.(1,2)", (Condition("a", "in", '{"1","2"}'),)),
        ('a=in.("x,y",z)', (Condition("a", "in", '{"x,y","z"}'),)),
        (r'a=in.("q\"q",b\s)', (Condition("a", "in", r'{"q\"q","b\\s"}'),)),
    ],
)
def test_a_filter_reads_as_conditions(text: str, conditions: tuple[Condition, ...]) -> None:
    assert parse_filter(text) == conditions


@pytest.mark.parametrize(
    "text",
    ["foo.hey", "a", "a=eq", "=eq.1", "a=like", "a=has.1", "a=eq.1,", ",a=eq.1", "a=eq.1,,b=eq.2",
     "a=in.1,2", "a=in.(1", "a=is.maybe", "a=not.1"],
)  # fmt: skip
def test_a_filter_outside_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(FilterError):
        parse_filter(text)


def test_a_refusal_shows_the_parts() -> None:
    with pytest.raises(FilterError, match=r'^Error parsing `filter` params: \["foo", "hey"\]$'):
        parse_filter("foo.hey")


def test_a_list_is_bounded() -> None:
    assert parse_filter(f"a=in.({','.join('x' * 100)})")
    with pytest.raises(FilterError):
        parse_filter(f"a=in.({','.join('x' * 101)})")


@given(st.text(max_size=40))
def test_any_text_parses_or_is_refused(text: str) -> None:
    for filter_text in (text, f"a=eq.{text}", f"a=in.({text})"):
        try:
            parse_filter(filter_text)
        except FilterError:
            continue


@given(st.text(max_size=20))
def test_a_quoted_value_survives(value: str) -> None:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    assert parse_filter(f'a=eq."{quoted}"') == (Condition("a", "eq", value),)
