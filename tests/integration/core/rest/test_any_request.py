"""Any request gets a right answer or an error of the table, over a real connection.

Few and always the same examples by default; GAVAN_EXAMPLES=5000 tries that many new ones.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpcore
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings

from tests.alone import running_alone
from tests.conftest import Database
from tests.integration.core.rest.any_request import Request, requests
from tests.integration.core.rest.conftest import SCHEMA
from tests.integration.core.rest.simple_select import Select, selects

EXAMPLES = os.environ.get("GAVAN_EXAMPLES")
FEW = settings(
    max_examples=int(EXAMPLES or 100),
    derandomize=not EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ERROR_KEYS = {"code", "message", "details", "hint"}
SERVER_FAULTS = frozenset({"55000"})
"""What the table counts as the server's fault: writing to a view that cannot be written"""
CODE = re.compile(r"PGRST\d{3}|[0-9A-Z]{5}")
OPTIONS = {
    "PGRST_DB_SCHEMAS": "public,other",
    "PGRST_DB_EXTRA_SEARCH_PATH": "public,extensions",
    "PGRST_DB_ANON_ROLE": "anon",
    "PGRST_DB_TX_END": "rollback-allow-override",
    "PGRST_DB_PLAN_ENABLED": "true",
    "PGRST_DB_AGGREGATES_ENABLED": "true",
    "PGRST_JWT_SECRET": "super-secret-jwt-token-with-at-least-32-characters-long",
}


@dataclass
class Wire:
    """A keep-alive connection to a data API; targets go out as they are."""

    pool: httpcore.ConnectionPool
    port: int

    def send(self, request: Request) -> httpcore.Response:
        headers = [(b"host", b"x"), *request.headers]
        if request.body:
            headers.append((b"content-length", b"%d" % len(request.body)))
        url = httpcore.URL(scheme=b"http", host=b"127.0.0.1", port=self.port, target=request.target)
        timeouts = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), 20.0)}
        return self.pool.request(
            request.method, url, headers=headers, content=request.body or None, extensions=timeouts
        )


@pytest.fixture
def wire(database: Database, tmp_path: Path) -> Iterator[Wire]:
    with database.connect() as connection:
        connection.execute(SCHEMA.read_bytes())
        connection.execute("create schema other; create table other.client (id int primary key)")
    with (
        running_alone(database.url("authenticator"), tmp_path / "log", OPTIONS) as core,
        httpcore.ConnectionPool() as pool,
    ):
        yield Wire(pool, core.port)


@pytest.fixture
def oracle(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with database.connect() as connection:
        yield connection


@FEW
@given(request=requests())
def test_any_request_is_answered_or_refused_by_the_table(wire: Wire, request: Request) -> None:
    answer = wire.send(request)
    headers = {name.lower(): value for name, value in answer.headers}
    body = answer.content
    if answer.status >= 500:
        assert json.loads(body)["code"] in SERVER_FAULTS, body
    if request.method == "HEAD":
        assert body == b""
    elif answer.status >= 300 or headers.get(b"proxy-status"):
        error = json.loads(body)
        assert set(error) == ERROR_KEYS
        assert CODE.fullmatch(error["code"])
        assert isinstance(error["message"], str)
        assert headers[b"content-type"] == b"application/json; charset=utf-8"
    elif headers.get(b"content-type", b"").startswith(b"application/json"):
        json.loads(body)


@FEW
@given(select=selects())
def test_a_simple_read_is_what_postgres_says(
    wire: Wire, oracle: psycopg.Connection[Any], select: Select
) -> None:
    answer = wire.send(Request("GET", select.target(), [], b""))
    said = json.loads(answer.content)
    wanted = select.ask(oracle)
    # Of several faults Postgres names another first when values are parameters.
    assert ("refused" if isinstance(said, dict) else said) == wanted
