"""The stages by cases: each file of ``cases/`` asks one part and says what it gives.

``UPDATE_CASES=1 pytest tests/unit/core/rest/test_cases.py`` writes what they give now; the diff
is then what a change means.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from gavan.core.rest.errors import RestError
from gavan.core.rest.parse.accept import parse_accept, parse_content_type
from gavan.core.rest.parse.body import call_payload, table_payload
from gavan.core.rest.parse.filters import parse_filter
from gavan.core.rest.parse.logic import parse_logic
from gavan.core.rest.parse.order import parse_order
from gavan.core.rest.parse.prefer import parse_prefer
from gavan.core.rest.parse.query import parse_query
from gavan.core.rest.parse.ranges import root_range
from gavan.core.rest.parse.select import parse_select
from gavan.core.rest.plan.model import CallPlan, MutatePlan, ReadPlan
from gavan.core.rest.sql.statement import write_statement
from tests.unit.core.rest.shown import shown
from tests.unit.core.rest.snapshot import Ask, plan_of

CASES = Path(__file__).parent / "cases"
FILES = sorted(CASES.glob("*/*.toml"))


def _pair(parse: Callable[[str, str], object]) -> Callable[[str], object]:
    def run(text: str) -> object:
        key, _, value = text.partition("=")
        return parse(key, value)

    return run


def _range(text: str) -> object:
    query, _, header = text.partition(" Range: ")
    return root_range(parse_query(query.encode()).ranges[()], header or None)


def _body(columns: tuple[str, ...] | None) -> Callable[[str], object]:
    def run(text: str) -> object:
        kind, _, body = text.partition("\n")
        return table_payload(body.encode(), parse_content_type(kind), columns)

    return run


def _arguments(text: str) -> object:
    kind, _, body = text.partition("\n")
    return call_payload(body.encode(), parse_content_type(kind), None)


def _asked(text: str) -> Ask:
    head, _, body = text.partition("\n\n")
    first, *lines = head.split("\n")
    method, url = first.split(" ", 1)
    pairs = tuple(
        (name, value.strip()) for name, _, value in (line.partition(":") for line in lines)
    )
    return Ask(method=method, url=url, headers=pairs, body=body.encode())


def _plan(text: str) -> object:
    return plan_of(_asked(text))


def _sql(text: str) -> object:
    plan = plan_of(_asked(text))
    assert isinstance(plan, ReadPlan | MutatePlan | CallPlan)
    return write_statement(plan)


RUNNERS: Mapping[str, Callable[[str], object]] = {
    "parse/select": parse_select,
    "parse/filter": _pair(parse_filter),
    "parse/logic": _pair(parse_logic),
    "parse/order": _pair(parse_order),
    "parse/query": lambda text: parse_query(text.encode()),
    "parse/call_query": lambda text: parse_query(text.encode(), is_call_read=True),
    "parse/range": _range,
    "parse/prefer": lambda text: parse_prefer(text.split("\n")),
    "parse/accept": parse_accept,
    "parse/body": _body(None),
    "parse/body_of_columns": _body(("id", "name")),
    "parse/arguments": _arguments,
}


def _run(file: Path, ask: str) -> str:
    stage, name = file.parent.name, file.stem
    run = {"plan": _plan, "sql": _sql}.get(stage) or RUNNERS[f"{stage}/{name}"]
    try:
        return shown(run(ask))
    except RestError as error:
        return shown(error)


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_every_case_gives_what_its_file_says(file: Path) -> None:
    cases = tomllib.loads(file.read_text(encoding="utf-8"))["case"]
    found = [{"ask": case["ask"], "gives": _run(file, case["ask"])} for case in cases]
    if os.environ.get("UPDATE_CASES"):
        file.write_text("\n".join(map(_written, found)), encoding="utf-8")
    else:
        assert found == cases


def _written(case: Mapping[str, str]) -> str:
    return f"[[case]]\nask = {_quoted(case['ask'])}\ngives = {_quoted(case['gives'])}\n"


def _quoted(text: str) -> str:
    """Return a TOML string: literal where that can be read, else with escapes."""
    if "'''" not in text and text.isprintable() and "'" not in text:
        return f"'{text}'"
    plain = text.replace("\n", "")
    if "'''" not in text and plain.isprintable() and not text.endswith("'"):
        return f"'''\n{text}'''"
    return json.dumps(text, ensure_ascii=False)


def test_no_case_is_asked_twice() -> None:
    for file in FILES:
        asks = [case["ask"] for case in tomllib.loads(file.read_text(encoding="utf-8"))["case"]]
        assert len(asks) == len(set(asks)), file.name
