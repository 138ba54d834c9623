"""What no list of cases can say of the grammar: any text is read or refused, to any depth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gavan.core.rest.errors import RestError
from gavan.core.rest.parse.accept import parse_accept
from gavan.core.rest.parse.logic import parse_logic
from gavan.core.rest.parse.prefer import parse_prefer
from gavan.core.rest.parse.query import parse_query
from gavan.core.rest.parse.select import parse_select


@pytest.mark.parametrize("depth", [200, 5000])
def test_trees_do_not_nest_without_end(depth: int) -> None:
    with pytest.raises(RestError):
        parse_logic("or", "(" + "and(" * depth + "id.eq.1" + ")" * depth + ")")
    with pytest.raises(RestError):
        parse_select("a(" * depth + "id" + ")" * depth)


@given(st.binary(max_size=200))
def test_any_query_string_is_read_or_refused(raw: bytes) -> None:
    for is_call_read in (False, True):
        try:
            parse_query(raw, is_call_read=is_call_read)
        except RestError as error:
            assert error.status == 400


@given(st.text(max_size=120))
def test_any_header_is_read(value: str) -> None:
    parse_prefer([value])
    assert parse_accept(value)


@pytest.mark.parametrize("raw", [b"a=eq." + b"x" * 70_000, b"&".join([b"a=eq.1"] * 1001)])
def test_a_query_string_has_bounds(raw: bytes) -> None:
    with pytest.raises(RestError) as caught:
        parse_query(raw)
    assert (caught.value.code, caught.value.status) == ("PGRST100", 400)
