"""Embeds look the same with jsonb and without it: keys, their order, every value's spelling."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gavan.core.rest.plan.key_order import SAME_IN_JSONB
from tests.conftest import Database
from tests.integration.core.rest.conftest import serve

VALUES = {
    "bigint": ("-9223372036854775808", "7"),
    "boolean": ("true", "false"),
    "bytea": (r"\x00ff",),
    "character": ("x",),
    "character varying": ("", "ä"),
    "date": ("2024-02-29", "infinity", "0044-03-15 BC"),
    "inet": ("10.0.0.1/8", "::1"),
    "integer": ("0",),
    "interval": ("1 year 2 days 03:04:05.6",),
    "jsonb": ('{"bb": [1, {"z": 1.50, "a": null}], "a": "\\u00e9"}', '"x"', "null"),
    "name": ("n",),
    "numeric": ("1.50", "NaN", "-0.000", "1e30", "123456789012345678901234567890.10"),
    "smallint": ("-1",),
    "text": ("", 'a"b\\c/d', "line\nend\ttab\x01\x7f", "\u2028😀", "null", "{}"),
    "time without time zone": ("23:59:59.999999",),
    "timestamp with time zone": ("2024-01-01 12:00:00.5+03", "-infinity"),
    "timestamp without time zone": ("2024-01-01 12:00:00",),
    "uuid": ("00000000-0000-0000-0000-00000000000a",),
}
OTHERS = {
    "json": ('{"b": 1,  "a": 2, "b": 3}',),
    "double precision": ("1e-7", "1e300"),
    "pair": ("(1,x)",),
}


def exact(text: str) -> Any:
    """Return JSON with the order of its keys, as pairs, and its numbers as they are spelt."""
    return json.loads(text, object_pairs_hook=list, parse_float=str, parse_int=str)


@pytest.fixture
def typed(database: Database) -> Database:
    """A parent and children with one column of each type, named against the order of names."""
    types = [*VALUES, *OTHERS, "mood", "text[]", "integer[]"]
    columns = ", ".join(f'"{"k" * (number * 7 % 5)}{number}" {t}' for number, t in enumerate(types))
    with database.connect() as connection:
        connection.execute("create type mood as enum ('glad', 'so so')")
        connection.execute("create type pair as (zz int, a text)")
        connection.execute("create table parent (id int primary key)")
        connection.execute(
            f"create table child (id int primary key generated always as identity, {columns},"
            ' parent int references parent, "Ünï ""q""" text default \'x\')'
        )
        connection.execute("insert into parent values (1), (2)")
        for number, kind in enumerate(types):
            name = f'"{"k" * (number * 7 % 5)}{number}"'
            known = {"mood": ("so so",), "text[]": ('{a,"b c",NULL}',), "integer[]": ("{{1},{2}}",)}
            for value in {**VALUES, **OTHERS, **known}[kind]:
                statement = f"insert into child (parent, {name}) values (1, %s::text::{kind})"
                connection.execute(statement.encode(), (value,))
        connection.execute("grant select on parent, child to anon")
    return database


def test_every_type_that_is_taken_for_the_same_is_tried() -> None:
    assert set(VALUES) == SAME_IN_JSONB


async def test_embeds_without_jsonb_look_like_those_with_it(typed: Database) -> None:
    with typed.connect() as connection:
        rows = connection.execute(
            "select column_name, udt_name from information_schema.columns"
            " where table_name = 'child' order by ordinal_position"
        ).fetchall()
    every = [str(name) for name, _ in rows]
    same = [str(name) for name, kind in rows if kind not in {"json", "float8", "pair"}]
    async for api in serve(typed):
        for names in (same, every, ["id", "id"], ["parent", "a:id"], *([name] for name in every)):
            shown = ",".join(item if ":" in item else _quoted(item) for item in names)
            for url in (
                "/parent?select=id,child({})&order=id&child.order=id",
                "/child?select=id,parent(id,child({}))&limit=2&order=id&parent.child.order=id",
            ):
                answer = await api.get(url.format(shown))
                assert answer.status_code == 200, answer.text
                # A cast is not known to look the same: that embed goes through jsonb.
                through_jsonb = await api.get(url.format(f"{shown},extra:id::text"))
                assert exact(answer.text) == _without_extra(exact(through_jsonb.text))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '\\"') + '"'


def _without_extra(value: Any) -> Any:
    if isinstance(value, tuple):
        return value[0], _without_extra(value[1])
    if isinstance(value, list):
        return [_without_extra(item) for item in value if not _is_extra(item)]
    return value


def _is_extra(item: Any) -> bool:
    return isinstance(item, tuple) and item[0] == "extra"
