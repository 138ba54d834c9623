"""Functions that return a domain called like a media type."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.conftest import Database
from tests.integration.core.rest.cases import Case, check
from tests.integration.core.rest.conftest import Api, serve

SCHEMA = """
create domain public."text/html" as text;
create domain public."text/plain" as text;
create domain public."image/png" as bytea;
create domain public."application/vnd.note+json" as json;
create domain public."*/*" as bytea;
create domain public."a/b c" as text;
create function public.page() returns "text/html" language sql as $$ select '<p>"é"</p>' $$;
create function public.plain(t text) returns "text/plain" language sql as 'select t';
create function public.picture() returns "image/png" language sql as
    $$ select '\\x00ff89'::bytea $$;
create function public.note() returns "application/vnd.note+json" language sql as
    $$ select '{"a": 1}'::json $$;
create function public.anything() returns "*/*" language plpgsql as $$
begin
    if current_setting('request.headers')::json ->> 'x-type' is not null then
        perform set_config('response.headers', '[{"content-type": "app/x"}]', true);
    end if;
    return 'raw';
end $$;
create function public.odd() returns "a/b c" language sql as $$ select 'odd' $$;
"""
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
async def media(database: Database) -> AsyncIterator[Api]:
    with database.connect() as connection:
        connection.execute(SCHEMA.encode())
    async for ready in serve(database, rest={"db_plan_enabled": "true"}):
        yield ready


def kind(name: str) -> dict[str, str | None]:
    return {"content-type": name}


async def test_a_function_answers_in_the_type_of_its_domain(media: Api) -> None:
    text = "text/plain; charset=utf-8"
    json = "application/json; charset=utf-8"
    page = '<p>"é"</p>'
    await check(
        media,
        [
            Case(url="/rpc/page", accept=BROWSER, text=page, expect=kind("text/html")),
            Case(url="/rpc/page", text=page, expect=kind("text/html")),
            Case(url="/rpc/page", accept="application/json", body=page, expect=kind(json)),
            Case(url="/rpc/page", accept="image/png", status=406, code="PGRST107"),
            Case(url="/rpc/plain?t=x%0Ay", accept="text/plain", text="x\ny", expect=kind(text)),
            Case(url="/rpc/plain", method="POST", send={"t": None}, text="", expect=kind(text)),
            Case(
                url="/rpc/note",
                accept="application/vnd.note+json",
                body={"a": 1},
                expect=kind("application/vnd.note+json"),
            ),
            Case(
                url="/rpc/anything",
                accept="app/bingo",
                text="raw",
                expect=kind("application/octet-stream"),
            ),
            Case(url="/rpc/anything", headers={"x-type": "1"}, text="raw", expect=kind("app/x")),
            Case(url="/rpc/odd", accept="a/b c", status=406),
            Case(url="/rpc/odd", body="odd", expect=kind(json)),
            Case(url="/rpc/page", accept="application/vnd.pgrst.plan+json"),
        ],
    )


async def test_bytes_arrive_as_bytes(media: Api) -> None:
    answer = await media.get("/rpc/picture", accept="image/png")
    assert (answer.content, answer.headers["content-type"]) == (b"\x00\xff\x89", "image/png")
    assert answer.headers["content-length"] == "3"
    head = await media.ask("HEAD", "/rpc/picture", accept="image/*, image/png")
    assert (head.status_code, head.content, head.headers["content-type"]) == (200, b"", "image/png")
