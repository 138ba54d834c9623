"""What the configuration adds: a function before every statement, settings, timing."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from gavan.core.rest.timing import PHASES
from tests.conftest import Database
from tests.integration.core.rest.cases import Case, check
from tests.integration.core.rest.conftest import Api, serve, token_of

SCHEMA = """
create table public.item (id int primary key);
insert into public.item values (1), (2);
create schema private;
create function private.guard() returns void language plpgsql as $$
begin
    if current_setting('request.headers')::json ->> 'x-block' is not null then
        raise sqlstate 'PT402' using message = 'pay first', hint = current_user;
    end if;
    if current_setting('request.path') = '/item' then
        perform set_config('response.headers', '[{"x-guard": "seen"}]', true);
    end if;
end $$;
create function public.key() returns text language sql as
    $$ select current_setting('app.settings.my_key', true) $$;
grant usage on schema private to anon, authenticated;
grant all on public.item to anon, authenticated;
"""


@pytest.fixture
async def guarded(database: Database) -> AsyncIterator[Api]:
    with database.connect() as connection:
        connection.execute(SCHEMA.encode())
    options = {"db_pre_request": "private.guard", "app_settings_my_key": "s3'cret"}
    async for ready in serve(database, rest=options):
        yield ready


async def test_it_sees_and_refuses_and_adds_headers(guarded: Api) -> None:
    blocked = {"x-block": "1"}
    await check(
        guarded,
        [
            Case(url="/item?select=id", body=[{"id": 1}, {"id": 2}], expect={"x-guard": "seen"}),
            Case(url="/item", headers=blocked, status=402, code="PT402", message="pay first"),
            Case(
                url="/item",
                headers=blocked,
                token=token_of("authenticated"),
                status=402,
                body={
                    "code": "PT402",
                    "message": "pay first",
                    "details": None,
                    "hint": "authenticated",
                },
            ),
            Case(url="/item", method="POST", send={"id": 3}, headers=blocked, status=402),
            Case(url="/item?id=eq.3", prefer="count=planned", status=206, body=[]),
            Case(url="/item", method="POST", send={"id": 4}, status=201),
            Case(url="/rpc/key", body="s3'cret", expect={"x-guard": None}),
        ],
    )


async def test_the_time_of_a_request_is_told_by_phase_when_wanted(database: Database) -> None:
    with database.connect() as connection:
        connection.execute(SCHEMA.encode())
    number = r"\d+\.\d"
    told = re.compile(", ".join(f"{phase};dur={number}" for phase in PHASES))
    async for api in serve(database, rest={"server_timing_enabled": "true"}):
        for method, url in (
            ("GET", "/item"),
            ("GET", "/item"),
            ("POST", "/rpc/key"),
            ("DELETE", "/item?id=eq.1"),
            ("OPTIONS", "/item"),
            ("GET", "/"),
        ):
            answer = await api.ask(method, url)
            assert told.fullmatch(answer.headers["server-timing"]), url
    async for api in serve(database):
        assert "server-timing" not in (await api.get("/item")).headers
