"""What users write in SQL runs in the sessions of every service, and in none as a superuser."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from gavan.backups.rows import kept_tables
from gavan.backups.snapshot import open_snapshot
from gavan.core.realtime.app import build
from gavan.database.bootstrap import bootstrap
from gavan.database.embedded import ADMIN
from gavan.database.migration.lock import connect_bare
from gavan.kit.jwt import sign
from gavan.kit.secret import Secret
from tests.conftest import JWT_SECRET, Cluster, Database, cloning
from tests.integration.core.hostile import SETUP, Trap
from tests.integration.core.realtime.conftest import serving, settings_of
from tests.integration.core.realtime.following import ANN, change, follow, table
from tests.integration.core.realtime.wire import Server, token
from tests.live import Live, running_core

HOOK = {
    "GOTRUE_HOOK_CUSTOM_ACCESS_TOKEN_ENABLED": "true",
    "GOTRUE_HOOK_CUSTOM_ACCESS_TOKEN_URI": "pg-functions://postgres/public/seize_by_hook",
}


def user_token() -> str:
    claims = {"role": "authenticated", "sub": ANN, "exp": int(time.time()) + 600}
    return sign(claims, Secret(JWT_SECRET))


@pytest.fixture(scope="module")
def trapped(cluster: Cluster) -> Iterator[Database]:
    with cloning(cluster) as clone:
        database = clone()
        Trap(database).lay(SETUP)
        yield database


@pytest.fixture(scope="module")
def live(trapped: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    log: Path = tmp_path_factory.mktemp("core") / "core.log"
    with running_core(trapped, log, HOOK) as running:
        yield running


@pytest.fixture
def trap(trapped: Database) -> Iterator[Trap]:
    """What is laid and has to be called, and never brings anything."""
    trap = Trap(trapped)
    tried = trap.tried
    yield trap
    assert trap.tried > tried, "the function was never called"
    assert trap.seized == 0


@pytest.fixture
def client(live: Live) -> Iterator[httpx.Client]:
    headers = {"apikey": live.service_key, "authorization": f"Bearer {live.service_key}"}
    with httpx.Client(base_url=live.url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture
async def realtime(trapped: Database) -> AsyncIterator[Server]:
    async with serving(build(settings_of(trapped))) as running:
        yield running


def test_a_superuser_would_be_caught(trapped: Database) -> None:
    with (
        trapped.connect("supabase_admin") as connection,
        connection.transaction(force_rollback=True),
    ):
        connection.execute("set local role anon; select public.seize()")
    assert Trap(trapped).seized > 0
    Trap(trapped).lay("select setval('public.seized', 1, false)")


def test_a_function_called_by_the_data_api_stays_below_superuser(
    client: httpx.Client, trap: Trap
) -> None:
    for key in ("", "Bearer wrong"):
        client.post("/rest/v1/rpc/seize", json={}, headers={"authorization": key})
    assert client.post("/rest/v1/rpc/seize", json={}).json() is True


def test_a_trigger_on_users_stays_below_superuser(client: httpx.Client, trap: Trap) -> None:
    trap.lay(
        "create trigger seize before insert or update on auth.users"
        " for each row execute function public.seize_by_trigger()"
    )
    answer = client.post(
        "/auth/v1/admin/users",
        json={"email": "ann@example.com", "password": "a long password", "email_confirm": True},
    )
    assert answer.status_code == 200


def test_a_hook_of_auth_stays_below_superuser(client: httpx.Client, trap: Trap) -> None:
    who = {"email": "bob@example.com", "password": "a long password"}
    assert client.post("/auth/v1/admin/users", json=who | {"email_confirm": True}).is_success
    answer = client.post("/auth/v1/token?grant_type=password", json=who)
    assert answer.status_code == 200


def test_policies_and_triggers_of_storage_stay_below_superuser(
    client: httpx.Client, trap: Trap
) -> None:
    trap.lay(
        "create policy seize on storage.objects to authenticated using (public.seize())"
        " with check (public.seize())",
        "create trigger seize before insert or update on storage.objects"
        " for each row execute function public.seize_by_trigger()",
    )
    assert client.post("/storage/v1/bucket", json={"name": "box"}).is_success
    user = {"authorization": f"Bearer {user_token()}"}
    for headers in ({}, user):
        assert client.post("/storage/v1/object/box/a.txt", content=b"a", headers=headers).is_success
        listed = client.post("/storage/v1/object/list/box", json={"prefix": ""}, headers=headers)
        assert [one["name"] for one in listed.json()] == ["a.txt"]
        assert client.delete("/storage/v1/object/box/a.txt", headers=headers).is_success


async def test_policies_that_judge_a_change_stay_below_superuser(
    realtime: Server, trap: Trap
) -> None:
    trap.lay(
        "create table public.judged (id int primary key)",
        "alter table public.judged enable row level security",
        "create policy seize on public.judged using (public.seize())",
        "alter publication supabase_realtime add table public.judged",
    )
    client = await realtime.client()
    await follow(client, table("judged"))
    trap.lay("insert into public.judged values (1)")
    assert (await change(client))["record"] == {"id": 1}


async def test_types_of_a_change_stay_below_superuser(realtime: Server, trap: Trap) -> None:
    trap.lay(
        "create type public.odd as enum ('one')",
        "create function public.odd_json(public.odd) returns json language sql"
        " as $$ select to_json(public.seize()) $$",
        "create cast (public.odd as json) with function public.odd_json(public.odd)",
        "create function public.odd_eq(public.odd, public.odd) returns boolean language sql"
        " as $$ select public.seize() $$",
        "create operator public.= (leftarg = public.odd, rightarg = public.odd,"
        " function = public.odd_eq)",
        "create table public.typed (id int primary key, o public.odd)",
        "alter publication supabase_realtime add table public.typed",
    )
    client = await realtime.client()
    await follow(client, table("typed", filter="o=eq.one"))
    trap.lay("insert into public.typed values (1, 'one')")
    assert (await change(client))["record"] == {"id": 1, "o": True}


async def test_policies_and_triggers_of_messages_stay_below_superuser(
    realtime: Server, trap: Trap
) -> None:
    trap.lay(
        "create policy seize on realtime.messages to authenticated using (public.seize())"
        " with check (public.seize())",
        "create trigger seize before insert on realtime.messages"
        " for each row execute function public.seize_by_trigger()",
    )
    ann, bob = await realtime.client(), await realtime.client()
    for client in (ann, bob):
        config = {"private": True, "broadcast": {"replay": {"since": 1}}}
        reply = await client.join("realtime:room", config, access_token=token())
        assert reply["status"] == "ok"
    said = {"type": "broadcast", "event": "said", "payload": {"n": 1}}
    await ann.send("realtime:room", "broadcast", said)
    assert (await bob.expect("broadcast")).payload["payload"] == {"n": 1}


def test_what_a_superuser_runs_meets_no_function_and_operator_of_users(
    cluster: Cluster, database: Database
) -> None:
    trap = Trap(database)
    # These fit some calls of a superuser better than what Postgres has itself.
    trap.lay(
        SETUP,
        "create function public.same(oid, regprocedure) returns boolean language sql"
        " as $$ select public.seize() $$",
        "create operator public.= (leftarg = oid, rightarg = regprocedure, function = public.same)",
        "create function public.starts_with(name, text) returns boolean language sql"
        " as $$ select public.seize() $$",
    )
    admin = cluster.server.url(ADMIN, database=database.name)
    bootstrap(admin, {})
    with open_snapshot(admin) as snapshot:
        assert snapshot.object_bytes() == 0
    with connect_bare(admin, "test") as connection:
        assert kept_tables(connection) == []
    assert trap.tried == 0
