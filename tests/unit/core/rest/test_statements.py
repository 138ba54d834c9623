"""What no list of cases can say: values and names never reach the text of a statement."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gavan.core.rest.config import overlay
from gavan.core.rest.errors import RestError
from tests.unit.core.rest.snapshot import SNAPSHOT, statement_of


def test_lists_of_any_length_give_one_text() -> None:
    short = statement_of("/client?id=in.(1)")
    long = statement_of("/client?id=in.(1,2,3)")
    assert short.text == long.text
    assert long.params[0] == b'{"1","2","3"}'


def test_settings_of_the_database_overlay_the_own() -> None:
    base = SNAPSHOT.config
    changed = overlay(
        base,
        {
            "db_max_rows": "7",
            "db_schemas": "a, b",
            "db_tx_end": "nonsense",
            "other": "x",
        },
    )
    assert (changed.max_rows, changed.schemas, changed.tx_end) == (7, ("a", "b"), "commit")


VALUE = "v4lu3'\"; drop table client; --"


@pytest.mark.parametrize(
    "place",
    [
        "/client?id=eq.{}",
        "/client?id=like.{}",
        "/client?id=in.({})",
        "/client?name=fts.{}",
        '/client?or=(id.eq."x",name.eq.{})',
        "/rpc/add?a={}",
    ],
)
def test_a_value_never_reaches_the_text(place: str) -> None:
    statement = statement_of(place.format(quote(VALUE)))
    assert "v4lu3" not in statement.text
    assert any(value is not None and b"v4lu3" in value for value in statement.params)


NAME = "N@m3"
LITERALS = re.compile(r"\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'")


@settings(deadline=None)
@given(
    st.text(max_size=12),
    st.sampled_from(
        [
            '/client?select="{}"',
            '/client?select="{}":id',
            '/client?"{}"=eq.1',
            '/client?order="{}"',
            '/client?select=id,x:project(id)&x."{}"=eq.1',
            '/project?data->"{}"=eq.1',
            '/client?or=("{}".eq.1)',
        ]
    ),
)
def test_a_name_only_ever_stands_in_quotes(noise: str, place: str) -> None:
    escaped = (NAME + noise).replace("\\", "\\\\").replace('"', '\\"')
    url = place.format(escaped.replace("\x00", ""))
    path, _, query = url.partition("?")
    pairs = (part.partition("=") for part in [query] if part)
    encoded = "&".join(
        f"{quote(key, safe='')}={quote(value, safe='=&.()')}" for key, _, value in pairs
    )
    try:
        text = statement_of(f"{path}?{encoded}").text
    except RestError as error:
        assert error.status == 400
        return
    # Whatever is left once quoted names and literals are taken out holds nothing of the client's.
    assert NAME not in LITERALS.sub("", text)
