"""How each kind of server is asked the four questions, and how its answers are read.

The answers of all must be the same rows; ``equality`` sees to it before anything is measured.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx

from bench.rest.questions import (
    EMBED,
    EMBED_ROWS,
    EVENT,
    INSERT,
    KEY,
    LIST,
    LIST_ROWS,
    ROW,
    Question,
    Request,
)

JSON = ("Content-Type", "application/json")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows with their values in Python's types, and how many there are in all if it was asked."""

    rows: list[Row]
    total: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """``reads`` turns a response into an answer; it raises for one that is not of this dialect."""

    name: str
    requests: Mapping[Question, Request]
    reads: Callable[[httpx.Response], Answer]


def _read_postgrest(response: httpx.Response) -> Answer:
    total = response.headers.get("content-range", "").rpartition("/")[2]
    return Answer(_rows(response.json()), int(total) if total.isdigit() else None)


def _read_plain(response: httpx.Response) -> Answer:
    found = response.json()
    if isinstance(found, list):
        return Answer(_rows(found), None)
    if "items" in found:
        return Answer(_rows(found["items"]), found["total"])
    return Answer(_rows([found]), None)


def _read_graphql(response: httpx.Response) -> Answer:
    found = response.json()
    if "errors" in found:
        raise ValueError(str(found["errors"])[:2000])
    answer = found["data"]["answer"]
    if "nodes" in answer:
        return Answer(_rows(answer["nodes"]), answer.get("totalCount"))
    return Answer(_rows([answer.get("event", answer)]), None)


def _rows(found: list[Row]) -> list[Row]:
    return [{name: _value(name, value) for name, value in row.items()} for row in found]


def _value(name: str, value: Any) -> Any:
    """Return the value in the type of its column: big numbers and times travel in several ways."""
    match name:
        case "id" | "customer_id":
            return int(value)
        case "amount":
            return Decimal(str(value))
        case "created_at":
            return datetime.fromisoformat(value)
        case "customer":
            return {inner: _value(inner, one) for inner, one in value.items()}
    return value


def _graphql(query: str, **variables: Any) -> Request:
    body = json.dumps({"query": " ".join(query.split()), "variables": variables})
    return Request(method="POST", path="/graphql", headers=(JSON,), body=body)


_ITEM = "id: rowId customer_id: customerId title description amount done created_at: createdAt"

POSTGREST = Dialect(
    name="postgrest",
    requests={
        ROW: Request(method="GET", path=f"/item?id=eq.{KEY}"),
        EMBED: Request(
            method="GET",
            path=f"/item?select=*,customer(id,name)&id=gte.{KEY}&order=id&limit={EMBED_ROWS}",
        ),
        INSERT: Request(
            method="POST",
            path="/event",
            headers=(("Prefer", "return=representation"), JSON),
            body=json.dumps(EVENT),
        ),
        LIST: Request(
            method="GET",
            path=f"/item?select=id,title,amount&customer_id=eq.{KEY}&order=id&limit={LIST_ROWS}",
            headers=(("Prefer", "count=exact"),),
        ),
    },
    reads=_read_postgrest,
)
PLAIN = Dialect(
    name="plain",
    requests={
        ROW: Request(method="GET", path=f"/items/{KEY}"),
        EMBED: Request(method="GET", path=f"/items?from_id={KEY}&limit={EMBED_ROWS}"),
        INSERT: Request(method="POST", path="/events", headers=(JSON,), body=json.dumps(EVENT)),
        LIST: Request(method="GET", path=f"/customers/{KEY}/items?limit={LIST_ROWS}"),
    },
    reads=_read_plain,
)
GRAPHQL = Dialect(
    name="graphql",
    requests={
        ROW: _graphql(
            f"query ($id: BigInt!) {{ answer: itemByRowId(rowId: $id) {{ {_ITEM} }} }}", id=KEY
        ),
        EMBED: _graphql(
            f"""query ($id: BigInt!) {{
                answer: allItems(
                    filter: {{rowId: {{greaterThanOrEqualTo: $id}}}}
                    orderBy: ROW_ID_ASC, first: {EMBED_ROWS}
                ) {{ nodes {{ {_ITEM} customer: customerByCustomerId {{ id: rowId name }} }} }}
            }}""",
            id=KEY,
        ),
        INSERT: _graphql(
            """mutation ($event: EventInput!) {
                answer: createEvent(input: {event: $event}) {
                    event { id: rowId kind payload author created_at: createdAt }
                }
            }""",
            event=EVENT,
        ),
        LIST: _graphql(
            f"""query ($id: BigInt!) {{
                answer: allItems(
                    condition: {{customerId: $id}}, orderBy: ROW_ID_ASC, first: {LIST_ROWS}
                ) {{ totalCount nodes {{ id: rowId title amount }} }}
            }}""",
            id=KEY,
        ),
    },
    reads=_read_graphql,
)
