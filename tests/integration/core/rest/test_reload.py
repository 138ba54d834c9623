"""The schema cache: replaced on NOTIFY, kept while a reload fails; and the cost of being stale."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo

from gavan.core.rest.schema_cache import Name
from gavan.core.rest.schema_load import load_snapshot
from gavan.database.embedded import ADMIN
from gavan.kit.secret import Secret
from tests.conftest import Database
from tests.integration.core.rest.cases import Case, check
from tests.integration.core.rest.conftest import Api, serve

DEADLINE_S = 15


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Poll until ``true`` answers so."""
    async with asyncio.timeout(DEADLINE_S):
        while not await true():  # noqa: ASYNC110 - the condition lives in another process
            await asyncio.sleep(0.02)


async def test_a_new_table_is_seen_after_notify(api: Api) -> None:
    with api.database.connect() as connection:
        connection.execute("create table late (id int)")
        connection.execute("notify pgrst, 'reload schema'")

        async def seen() -> bool:
            return (await api.get("/late")).status_code == 200

        await until(seen)
        connection.execute("drop table late")
        connection.execute("notify pgrst")

        async def gone() -> bool:
            answer = await api.get("/late")
            assert answer.status_code == 404
            code: str = answer.json()["code"]
            # Until the reload the table is still known and Postgres itself refuses.
            assert code in {"42P01", "PGRST205"}
            return code == "PGRST205"

        await until(gone)


async def test_the_listener_comes_back_after_its_connection_died(api: Api) -> None:
    with api.database.cluster.connect() as admin:
        admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'gavan rest listener' and datname = %s",
            (api.database.name,),
        )
    with api.database.connect() as connection:
        connection.execute("create table after_loss (id int)")

    async def seen() -> bool:
        return (await api.get("/after_loss")).status_code == 200

    await until(seen)


async def test_settings_kept_in_the_database_change_a_running_service(api: Api) -> None:
    name = api.database.name
    with api.database.cluster.connect(database=name) as admin:
        for setting, value in (
            ("db_max_rows", "2"),
            ("db_plan_enabled", "true"),
            ("db_aggregates_enabled", "true"),
            ("db_tx_end", "commit-allow-override"),
        ):
            admin.execute(
                f"alter role authenticator in database {name} set pgrst.{setting} = '{value}'"
            )
        admin.execute("notify pgrst, 'reload config'")

    async def bounded() -> bool:
        return len((await api.get("/client")).json()) == 2

    await until(bounded)
    plan = "application/vnd.pgrst.plan"
    await check(
        api,
        [
            Case(url="/client?select=id,project(id)&id=eq.1&project.limit=5"),
            Case(url="/client", prefer="count=exact", status=206, range="0-1/3"),
            Case(
                url="/project?select=client_id,id.count()&order=client_id&limit=1",
                body=[{"client_id": 1, "count": 2}],
            ),
            Case(
                url="/project?select=client(name),budget.sum()&client_id=eq.1",
                body=[{"client": {"name": "Ada"}, "sum": 30.5}],
            ),
            Case(
                url="/client",
                accept=f'{plan}+text; for="application/json"; options=;',
                expect={"content-type": f'{plan}+text; for="application/json"; charset=utf-8'},
            ),
            Case(
                url="/client",
                accept=f"{plan}+json; options=analyze|verbose",
                expect={
                    "content-type": f'{plan}+json; for="application/json";'
                    " options=analyze|verbose; charset=utf-8"
                },
            ),
            Case(
                method="POST",
                url="/client",
                send={"id": 90, "name": "x"},
                status=201,
                prefer="tx=rollback, return=representation",
                body=[{"id": 90, "name": "x", "city": None}],
                expect={"preference-applied": "return=representation, tx=rollback"},
            ),
            Case(url="/client?id=eq.90", body=[]),
            Case(
                url="/task?select=...project(client_id,budget.sum(),n:count())"
                "&order=project(client_id)&limit=1",
                body=[{"client_id": 1, "sum": 41.0, "n": 3}],
            ),
            Case(
                url="/client?select=id,...project(budget.sum())",
                status=400,
                code="PGRST127",
            ),
            Case(
                method="POST",
                url="/late_unique",
                send=[{"id": 1}, {"id": 1}],
                prefer="tx=rollback",
                status=409,
                code="23505",
            ),
        ],
    )


async def test_several_schemas_are_told_apart_by_profile(api: Api) -> None:
    with api.database.connect() as connection:
        connection.execute(
            "create schema v2; create table v2.only_here (id int);"
            " grant usage on schema v2 to anon; grant all on v2.only_here to anon"
        )
    async for two in serve(api.database, schemas=("public", "v2")):
        await check(
            two,
            [
                Case(url="/client?limit=1", expect={"content-profile": "public"}),
                Case(
                    url="/only_here",
                    headers={"accept-profile": "v2"},
                    body=[],
                    expect={"content-profile": "v2"},
                ),
                Case(url="/only_here", status=404, code="PGRST205"),
                Case(
                    method="POST",
                    url="/only_here",
                    send={"id": 1},
                    status=201,
                    headers={"content-profile": "v2"},
                    expect={"content-profile": None},
                ),
                Case(
                    method="DELETE",
                    url="/only_here?id=eq.1",
                    status=404,
                    headers={"accept-profile": "v2"},
                    code="PGRST205",
                ),
                Case(
                    url="/client",
                    headers={"accept-profile": "v3"},
                    status=406,
                    code="PGRST106",
                    message="Invalid schema: v3",
                ),
            ],
        )


async def test_without_a_database_the_client_is_told_to_come_back(api: Api) -> None:
    await api.service._handler._pool.close()
    answer = await api.get("/client")
    assert answer.status_code == 503
    assert answer.json()["code"] == "PGRST000"
    assert int(answer.headers["retry-after"]) >= 1


async def test_before_the_first_load_every_request_is_told_to_come_back(api: Api) -> None:
    api.service.watch.snapshot = None
    answer = await api.get("/client")
    assert answer.status_code == 503
    assert answer.json()["code"] == "PGRST002"
    assert int(answer.headers["retry-after"]) >= 1
    assert not api.service.ready


async def test_a_reload_leaves_the_collector_on_and_nothing_behind(api: Api) -> None:
    connection = await AsyncConnection.connect(api.database.url("authenticator"), autocommit=True)
    async with connection:
        kept = []
        for _ in range(4):
            await load_snapshot(connection, api.service.config)
            kept.append(gc.get_freeze_count())
    assert gc.isenabled()
    # What was loaded before is gone, or each load would keep thousands of objects more.
    assert kept[3] - kept[1] < 1000


async def test_sessions_begin_anew_when_the_settings_of_the_login_role_change(
    database: Database,
) -> None:
    """A login role with capitals, whose own settings only a new session takes."""
    with database.connect(ADMIN) as admin:
        admin.execute(
            'create role "Login" login noinherit; grant anon to "Login";'
            "create function pid() returns int language sql as 'select pg_backend_pid()';"
            "create function zone() returns text language sql stable"
            " as $$ select current_setting('timezone') $$"
        )
        admin.execute(f"alter role \"Login\" password '{database.name}'")
        try:
            await _follow_settings(database, admin)
        finally:
            admin.execute('drop owned by "Login"; drop role "Login"')


async def _follow_settings(database: Database, admin: psycopg.Connection[Any]) -> None:
    url = make_conninfo(database.url("authenticator"), user="Login", password=database.name)
    async for api in serve(database, authenticator_url=Secret(url)):
        await _changes_are_followed(api, admin)


async def _changes_are_followed(api: Api, admin: psycopg.Connection[Any]) -> None:
    first = (await api.get("/rpc/pid")).json()
    assert (await api.get("/rpc/zone")).json() == "UTC"
    admin.execute("alter role \"Login\" set timezone to 'Asia/Tokyo'")
    admin.execute("notify pgrst, 'reload config'")

    async def taken() -> bool:
        zone: str = (await api.get("/rpc/zone")).json()
        return zone == "Asia/Tokyo"

    await until(taken)
    assert (await api.get("/rpc/pid")).json() != first


async def test_a_column_of_another_type_is_asked_for_in_its_own(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("create table cat (id uuid primary key)")
        async for api in serve(database, pool_size=1):
            await _type_changes(api, connection)


async def _type_changes(api: Api, connection: psycopg.Connection[Any]) -> None:
    # As often as a statement needs to be kept prepared by the connection.
    for number in range(8):
        answer = await api.get(f"/cat?id=eq.00000000-0000-0000-0000-00000000000{number}")
        assert answer.json() == []
    connection.execute("drop table cat; create table cat (id bigint primary key)")

    async def asked() -> bool:
        return (await api.get("/cat?id=eq.1")).status_code == 200

    await until(asked)


async def test_an_unchanged_catalogue_keeps_what_was_built_from_it(api: Api) -> None:
    connection = await AsyncConnection.connect(api.database.url("authenticator"), autocommit=True)
    async with connection:
        first = await load_snapshot(connection, api.service.config)
        assert await load_snapshot(connection, first.config, first) is first
        other = replace(first.config, max_rows=7)
        configured = await load_snapshot(connection, other, first)
        assert (configured.cache is first.cache, configured.config.max_rows) == (True, 7)
        with api.database.connect() as owner:
            owner.execute("create table late (id int)")
        changed = await load_snapshot(connection, first.config, first)
    assert Name("public", "late") in changed.cache.tables
    assert Name("public", "late") not in first.cache.tables
