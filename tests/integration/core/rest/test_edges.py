"""What functions may say of the answer, who may come at all, and requests beyond the bounds."""

from __future__ import annotations

from urllib.parse import quote

import orjson
import pytest

from tests.conftest import Database
from tests.integration.core.rest.cases import Case, check
from tests.integration.core.rest.conftest import SCHEMA, Api, serve, token_of

SAYING = """
create function says(name text, value text) returns int language sql volatile
    as $$ select 1 from set_config('response.' || name, value, true) $$;
"""


@pytest.fixture
def saying(database: Database) -> Database:
    with database.connect() as connection:
        connection.execute(SCHEMA.read_bytes())
        connection.execute(SAYING.encode())
    return database


async def test_a_function_says_status_and_headers_well_formed_or_not_at_all(
    saying: Database,
) -> None:
    def said(name: str, value: str, status: int, code: str | None = None) -> Case:
        sent = {"name": name, "value": value}
        return Case(method="POST", url="/rpc/says", send=sent, status=status, code=code)

    async for api in serve(saying):
        await check(
            api,
            [
                said("status", "299", 299),
                said("status", "204 No Content", 204),
                *(said("status", text, 500, "PGRST112") for text in ("x", "99", "1000", "-200")),
                *(
                    said("headers", text, 500, "PGRST111")
                    for text in (
                        "not json",
                        "{}",
                        '["x"]',
                        '[{"a": 1}]',
                        '[{"a": "b", "c": "d"}]',
                        '[{"a": "line\\nbreak"}]',
                        '[{"a\\r": "b"}]',
                    )
                ),
                Case(
                    method="POST",
                    url="/rpc/says",
                    send={"name": "headers", "value": '[{"X-Own": "one"}, {"x-own": "two"}]'},
                    expect={"x-own": "one, two"},
                ),
                Case(
                    method="POST",
                    url="/rpc/says",
                    send={"name": "headers", "value": '[{"Content-Type": "text/plain"}]'},
                    expect={"content-type": "text/plain"},
                ),
            ],
        )


async def test_nobody_comes_without_a_token_when_there_is_no_anonymous_role(
    saying: Database,
) -> None:
    async for api in serve(saying, rest={"db_anon_role": ""}):
        await check(
            api,
            [
                Case(
                    url="/client?select=id",
                    status=401,
                    code="PGRST302",
                    expect={"www-authenticate": "Bearer"},
                ),
                Case(url="/", status=401, code="PGRST302"),
                Case(url="/client?select=id&id=eq.1", token=token_of("anon"), body=[{"id": 1}]),
                Case(url="/client", token=token_of("nobody_knows"), status=401, code="22023"),
                # A role may be known and yet not be the login role's to take.
                Case(url="/client", token=token_of("postgres"), status=403, code="42501"),
            ],
        )


async def test_a_request_has_bounds_and_answers_beyond_them(api: Api) -> None:
    deep = "client(project(" * 15 + "id" + "))" * 15
    many = "&".join(f"id=gt.{number}" for number in range(-1000, 1))
    await check(
        api,
        [
            Case(url=f"/client?select={deep}", status=400, code="PGRST100"),
            Case(url=f"/client?{many}", status=400, code="PGRST100"),
            Case(url=f"/client?or=({'and(' * 60}id.eq.1{')' * 61}", status=400, code="PGRST100"),
            Case(url=f"/client?select=id&id=in.({','.join(map(str, range(5000)))})&order=id"),
            Case(url=f"/client?select=id&name=eq.{quote('Ada' + chr(0))}", status=400),
        ],
    )


async def test_the_root_has_a_head_without_a_body(api: Api) -> None:
    head = await api.ask("HEAD", "/")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == "application/openapi+json; charset=utf-8"


async def test_a_body_is_refused_whole(api: Api) -> None:
    """Whatever is wrong with one row, none is written."""
    rows = [{"id": 50, "name": "a"}, {"id": 51, "name": None}]
    bodies: tuple[bytes, ...] = (
        orjson.dumps(rows),
        b'[{"id": 50, "name": "a"}, {"id": "x", "name": "b"}]',
        b'[{"id": 50, "name": "a"}, {"id": 50, "name": "b"}]',
        b'[{"id": 50, "name": "a"}, {"id": 51}]',
        b'[{"id": 50, "name": "a"}',
        b'\xff[{"id": 50}]',
        b'{"id": 50, "name": "a\\u0000b"}',
    )
    for body in bodies:
        answer = await api.ask("POST", "/client", body=body)
        assert 400 <= answer.status_code < 500, (body, answer.text)
        assert set(answer.json()) == {"code", "message", "details", "hint"}
    assert (await api.get("/client?id=gte.50")).json() == []
