"""What is remembered of a request gives what building it anew gives, whatever its values."""

from __future__ import annotations

import asyncio
from dataclasses import astuple
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gavan.core.rest.errors import RestError
from gavan.core.rest.preparation import Asked, Preparation
from gavan.core.rest.prepared import Prepared
from gavan.core.rest.request import Headers
from gavan.core.rest.shape import question_of
from gavan.core.rest.timing import Clock
from tests.unit.core.rest.snapshot import SNAPSHOT

LISTS = ("id=in.({})", "id=not.in.%28{}%29")
VARIED = (
    "id=eq.{}",
    "name=neq.{}",
    "id=not.gte.{}",
    "data->k=lt.{}",
    "words=plfts.{}",
    "words=fts(english).{}",
    "name=match.{}",
    "project.name=eq.{}",
    "name=like.{}",
    "name=not.ilike.{}",
    "name=eq(any).{}",
    "id=is.{}",
    "or=(id.eq.{},name.eq.a)",
    "order=eq.{}",
    "limit={}",
    "offset=eq.{}",
)
FIXED = (
    "select=id,name,project(id)",
    "select=*,project!inner(*)",
    "order=id.desc",
    "limit=5",
    "offset=3",
    "id=is.null",
    "or=(id.eq.1,name.eq.2)",
    "name=in.(%22a,b%22,c)",
)
PREFERENCES: tuple[dict[str, str], ...] = (
    {},
    {"prefer": "count=exact"},
    {"prefer": "count=planned"},
)


class Rest:
    """One memory, asked again and again."""

    def __init__(self) -> None:
        self.preparation = Preparation()

    def ask(
        self, url: str, headers: dict[str, str], method: str = "GET", body: bytes = b""
    ) -> Prepared:
        path, _, query = url.partition("?")
        scope: dict[str, Any] = {"method": method, "path": path, "query_string": query.encode()}
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": body, "more_body": False}

        asked = Asked(scope, Headers(raw), SNAPSHOT, Clock())
        built = asyncio.run(self.preparation.prepare(asked, receive))
        assert isinstance(built, Prepared)
        return built


def meaning(prepared: Prepared) -> tuple[object, ...]:
    """What decides about the answer; plan and request of a remembered one hold other values."""
    return (
        astuple(prepared.statement),
        prepared.location,
        prepared.transaction,
        prepared.plan.format,
        prepared.request.prefer,
    )


elements = st.text("abc019_-.:", min_size=1, max_size=4)
TRICKY = ("7", "9", "", "null", "a*b", "(1)", "eq.5", "a=eq.1", "GavanValue00Mark", "%", "+", "a,b")
values = st.one_of(st.text(max_size=6), st.sampled_from(TRICKY))
lists = st.one_of(st.lists(elements, min_size=1, max_size=3).map(",".join), values)


@st.composite
def shapes(draw: st.DrawFn) -> list[str]:
    chosen = draw(st.lists(st.sampled_from(LISTS + VARIED + FIXED), max_size=5, unique=True))
    if any("project" in item for item in chosen):
        chosen = ["select=id,name,project(id)", *(c for c in chosen if "select" not in c)]
    return chosen


def written(draw: st.DrawFn, shape: list[str]) -> str:
    parts = []
    for item in shape:
        value = draw(lists if item in LISTS else values)
        safe = draw(st.sampled_from(["", ",.:()", ",.:()*=~!'$;@/?"]))
        parts.append(item.format(quote(value, safe=safe)))
    return "&".join(parts)


def assert_remembered(rest: Rest, url: str, headers: dict[str, str]) -> None:
    try:
        expected = meaning(Rest().ask(url, headers))
    except RestError as error:
        with pytest.raises(RestError) as raised:
            rest.ask(url, headers)
        assert raised.value.body() == error.body()
    else:
        assert meaning(rest.ask(url, headers)) == expected


@given(data=st.data(), shape=shapes(), headers=st.sampled_from(PREFERENCES))
@settings(max_examples=150, deadline=None)
def test_a_remembered_shape_gives_what_building_gives(
    data: st.DataObject, shape: list[str], headers: dict[str, str]
) -> None:
    rest = Rest()
    for _ in range(4):
        assert_remembered(rest, "/client?" + data.draw(st.composite(written)(shape)), headers)


@pytest.mark.parametrize("shape", LISTS + VARIED)
def test_no_value_of_one_parameter_is_taken_for_another(shape: str) -> None:
    rest = Rest()
    for value in (*TRICKY, *TRICKY):
        url = f"/client?select=id,project(id)&{shape.format(quote(value))}"
        assert_remembered(rest, url, {})


@pytest.mark.parametrize(
    ("method", "url", "bodies", "headers"),
    [
        ("POST", "/client", [b'{"id":1}', b'{"id":2}', b'{"id":"\\u0000"}', b'{"id":3}'], {}),
        ("POST", "/client", [b'[{"id":1}]', b'{"id":1}'] * 3, {}),
        ("POST", "/client", [b"[]", b'[{"id":1}]', b"{}"] * 3, {}),
        ("POST", "/client", [b"id,name\n1,a", b"id,name\n2,b"] * 2, {"content-type": "text/csv"}),
        (
            "POST",
            "/client?columns=id",
            [b'{"id":1}', b'[{"id":2}]', b'{"id":2,"x":1}'] * 2,
            {"prefer": "return=representation"},
        ),
        ("PATCH", "/client?id=eq.{}", [b'{"name":"a"}', b'{"name":"b"}', b"{}"] * 2, {}),
        ("PUT", "/client?id=eq.{}", [b'{"id":1,"name":"a"}'] * 3, {}),
        ("DELETE", "/client?id=in.({})", [b""] * 3, {}),
        ("POST", "/rpc/add", [b'{"a":1}', b'{"a":2}', b'{"a":2,"b":3}'] * 2, {}),
        (
            "POST",
            "/rpc/add",
            [b"a=1", b"a=2", b"a=3"],
            {"content-type": "application/x-www-form-urlencoded"},
        ),
        ("GET", "/rpc/add?a={}", [b""] * 4, {}),
        ("HEAD", "/client?id=eq.{}", [b""] * 3, {}),
    ],
)
def test_writes_and_calls_are_remembered_with_their_bodies(
    method: str, url: str, bodies: list[bytes], headers: dict[str, str]
) -> None:
    rest = Rest()
    for number, body in enumerate(bodies):
        one = url.format(number)
        expected = meaning(Rest().ask(one, headers, method, body))
        assert meaning(rest.ask(one, headers, method, body)) == expected


def test_a_shape_is_built_twice_and_then_remembered() -> None:
    rest = Rest()
    plans = [rest.ask(f"/client?id=eq.{number}&name=in.(a,b)", {}).plan for number in range(4)]
    assert plans[0] is not plans[1] is not plans[2]
    assert plans[2] is plans[3]


def test_shapes_differ_by_everything_but_values() -> None:
    def key(query: str, method: str = "GET", **headers: str) -> object:
        scope = {"method": method, "path": "/client", "query_string": query.encode()}
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        question = question_of(scope, Headers(raw))
        assert question is not None
        return question.key

    assert key("id=eq.1") == key("id=eq.2")
    assert key("id=in.(1)") == key("id=in.(1,2)")
    different = [
        key("id=eq.1"),
        key("id=eq.1", "HEAD"),
        key("id=eq.1", accept="text/csv"),
        key("id=eq.1", prefer="count=exact"),
        key("id=eq.1&limit=1"),
        key("id=eq.1&limit=2"),
        key("id=gt.1"),
        key("id=in.(1)"),
        key("id=in.()"),
        key("id=in.()&id=in.(1)"),
        key("id=in.(1)&id=in.()"),
        key("id=is.null"),
        key("id=is.true"),
    ]
    assert len(set(different)) == len(different)


def test_a_long_query_is_not_remembered() -> None:
    scope = {"method": "GET", "path": "/client", "query_string": b"id=eq." + b"1" * 4000}
    assert question_of(scope, Headers(())) is None


@pytest.mark.parametrize("name", [b"prefer", b"accept", b"range"])
def test_a_long_header_is_not_remembered(name: bytes) -> None:
    scope = {"method": "GET", "path": "/item", "query_string": b"id=eq.1"}
    assert question_of(scope, Headers(((name, b"x" * 100),))) is not None
    assert question_of(scope, Headers(((name, b"x" * 3000),))) is None
