"""Who hears a row: decided by Postgres for each subscriber, with the rules and claims of now."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest

from gavan.core.realtime.app import build
from gavan.core.realtime.limits import Limits
from tests.conftest import Database
from tests.integration.core.realtime.conftest import serving, settings_of
from tests.integration.core.realtime.following import ANN, BOB, TOPIC, change, follow, table
from tests.integration.core.realtime.wire import SERVICE, RawClient, Server, token

NOTE = table("note")
SCHEMA = """
create table public.note (id int primary key, owner uuid not null, title text, secret text);
alter table public.note enable row level security;
create policy own on public.note using (owner = auth.uid());
alter publication supabase_realtime add table public.note;
create table public.fence (id int primary key);
alter publication supabase_realtime add table public.fence;
"""


@pytest.fixture
def writer(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with database.connect() as connection:
        connection.execute(SCHEMA.encode())
        yield connection


@pytest.fixture
async def server(database: Database, writer: psycopg.Connection[Any]) -> AsyncIterator[Server]:
    async with serving(build(settings_of(database))) as running:
        yield running


async def people(server: Server, *entries: dict[str, object]) -> tuple[RawClient, RawClient]:
    """Ann and Bob, who follow the same."""
    ann, bob = await server.client(), await server.client()
    await follow(ann, *entries, user=ANN)
    await follow(bob, *entries, user=BOB)
    return ann, bob


async def heard(writer: psycopg.Connection[Any], client: RawClient) -> list[Any]:
    """Return what a client that also follows the fence has heard up to now."""
    row = writer.execute(
        "insert into fence select coalesce(max(id), 0) + 1 from fence returning id"
    ).fetchone()
    assert row
    found: list[Any] = []
    while (data := await change(client)).get("record") != {"id": row[0]}:
        found.append(data)
    return [data for data in found if data["table"] != "fence"]


def put(writer: psycopg.Connection[Any], number: int, owner: str, title: str = "") -> None:
    writer.execute("insert into note values (%s, %s, %s, 's')", (number, owner, title))


@pytest.mark.parametrize("identity", ["default", "full"])
async def test_a_row_that_moves_between_two_people_is_told_to_whoever_may_see_it_then(
    server: Server, writer: psycopg.Connection[Any], identity: str
) -> None:
    writer.execute(f"alter table note replica identity {identity}".encode())
    ann, bob = await people(server, NOTE, table("fence"))
    steps = [
        ("insert into note values (1, %s, 'new', null)", ANN),
        ("update note set owner = %s, title = 'given away'", BOB),
        ("update note set title = 'kept', owner = %s", BOB),
        ("update note set title = 'taken back', owner = %s", ANN),
        ("delete from note where owner = %s", ANN),
    ]
    by_person: dict[str, list[Any]] = {ANN: [], BOB: []}
    for statement, owner in steps:
        writer.execute(statement.encode(), (owner,))
        by_person[BOB] += await heard(writer, bob)
        by_person[ANN] += await heard(writer, ann)
    told = {
        person: [(one["type"], one.get("record", {}).get("title")) for one in changes]
        for person, changes in by_person.items()
    }
    assert told == {
        ANN: [("INSERT", "new"), ("UPDATE", "taken back"), ("DELETE", None)],
        BOB: [("UPDATE", "given away"), ("UPDATE", "kept"), ("DELETE", None)],
    }
    # Nobody can be asked about a row that is gone: its key goes to all, and nothing but its key.
    assert [changes[-1]["old_record"] for changes in by_person.values()] == [{"id": 1}] * 2


async def test_after_its_token_expired_a_channel_hears_no_row(
    database: Database, writer: psycopg.Connection[Any]
) -> None:
    core, ahead_s = build(settings_of(database), limits=Limits(token_check_s=0.05)), [0.0]
    core.hub.tokens._clock = lambda: time.time() + ahead_s[0]
    async with serving(core) as server:
        ann, service = await server.client(), await server.client()
        await follow(service, NOTE, access_token=SERVICE)
        await follow(ann, NOTE, access_token=token(sub=ANN, expires_in_s=600))
        put(writer, 1, ANN)
        assert (await change(ann))["record"]["id"] == 1
        ahead_s[0] = 600.0
        assert "Token has expired" in (await ann.expect("system")).payload["message"]
        await ann.expect("phx_close")
        put(writer, 2, ANN)
        assert [(await change(service))["record"]["id"] for _ in range(2)] == [1, 2]
        assert await ann.is_quiet()


async def test_a_token_of_another_role_takes_the_rows_away(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    writer.execute("revoke all on note from anon")
    ann = await server.client()
    await follow(ann, NOTE, table("fence"), user=ANN)
    await ann.send(TOPIC, "access_token", {"access_token": token("anon", sub=ANN)})
    await ann.expect("system")
    put(writer, 1, ANN, "mine")
    (data,) = await heard(writer, ann)
    assert (data["errors"], data["record"]) == (["Error 401: Unauthorized"], {})
    await ann.send(TOPIC, "access_token", {"access_token": token("supabase_admin", sub=ANN)})
    assert "may not subscribe" in (await ann.expect("system")).payload["message"]
    put(writer, 2, ANN)
    other = await server.client()
    await follow(other, table("fence"))
    assert await heard(writer, other) == []
    assert await ann.is_quiet()


async def test_a_column_that_is_revoked_is_gone_from_the_next_change(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    writer.execute("alter table note replica identity full")
    ann, bob = await server.client(), await server.client()
    await follow(ann, NOTE, user=ANN)
    await follow(bob, table("note", filter="secret=eq.s"), table("fence"), user=ANN)
    put(writer, 1, ANN)
    assert (await change(ann))["record"]["secret"] == "s"
    assert [data["record"]["id"] for data in await heard(writer, bob)] == [1]
    writer.execute("revoke select on note from authenticated")
    writer.execute("grant select (id, owner, title) on note to authenticated")
    writer.execute("update note set title = 'changed'")
    data = await change(ann)
    assert data["record"] == {"id": 1, "owner": ANN, "title": "changed"}
    assert data["old_record"] == {"id": 1, "owner": ANN, "title": ""}
    assert [column["name"] for column in data["columns"]] == ["id", "owner", "title"]
    # A filter would tell by its hits what the column says.
    assert await heard(writer, bob) == []
    writer.execute("revoke select (id, owner, title) on note from authenticated")
    put(writer, 2, ANN)
    assert (await change(ann))["errors"] == ["Error 401: Unauthorized"]


async def test_a_policy_is_the_one_of_now(server: Server, writer: psycopg.Connection[Any]) -> None:
    ann, bob = await people(server, NOTE, table("fence"))
    writer.execute("alter policy own on note using (owner = auth.uid() and title <> 'hidden')")
    put(writer, 1, ANN, "hidden")
    put(writer, 2, ANN)
    assert [one["record"]["id"] for one in await heard(writer, ann)] == [2]
    writer.execute("drop policy own on note")
    put(writer, 3, ANN)
    assert await heard(writer, ann) == []
    writer.execute("alter table note disable row level security")
    put(writer, 4, ANN)
    assert [one["record"]["id"] for one in await heard(writer, bob)] == [4]


async def test_a_policy_that_sleeps_costs_only_those_it_sleeps_for(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    writer.execute(
        f"alter policy own on note using"
        f" (owner = auth.uid() or (auth.uid() = '{BOB}' and pg_sleep(60) is null))".encode()
    )
    ann, bob = await people(server, NOTE, table("fence"))
    began = time.monotonic()
    put(writer, 1, ANN)
    put(writer, 2, BOB)
    assert [one["record"]["id"] for one in await heard(writer, ann)] == [1]
    assert [one["record"]["id"] for one in await heard(writer, bob)] == [2]
    assert time.monotonic() - began < 30, "the sleep was cut short"


async def test_no_role_or_claim_stays_behind_on_the_connection_that_takes_them_on(
    database: Database, writer: psycopg.Connection[Any]
) -> None:
    writer.execute(
        f"create policy broken on note using (1 / (length(title) - 6) > 0);"
        f"create policy sleeps on note using (title = 'slow' and auth.uid() = '{BOB}'"
        " and pg_sleep(60) is null)".encode()
    )
    service = build(settings_of(database))
    async with serving(service) as server:
        ann, bob = await people(server, NOTE, table("fence"))
        other = await server.client()
        await follow(other, NOTE, access_token=token("anon"))
        for number, title in enumerate(("fine", "broken", "slow")):
            put(writer, number, ANN, title)
        await heard(writer, bob)
        # A subscription that is refused half-way takes on the owner's role, too.
        refused = await server.client()
        entry = table("note", filter="id=eq.abc")
        await refused.join(TOPIC, {"postgres_changes": [entry]}, access_token=token(sub=ANN))
        assert (await refused.expect("system")).payload["status"] == "error"
        private = {"private": True, "broadcast": {"ack": True}}
        assert (await ann.join("realtime:secret", private))["status"] == "error"
        question = (
            "select current_user = session_user, current_setting('role'),"
            " coalesce(current_setting('request.jwt.claims', true), ''),"
            " coalesce(current_setting('realtime.topic', true), ''), current_setting('search_path')"
        )
        hub = service.hub
        for connection in (hub.changes._visibility._connection, hub.policies._connection):
            assert await connection.fetch(question, ()) == [(True, "none", "", "", "pg_catalog")]


async def test_a_row_that_was_gone_before_anybody_was_asked_is_told_by_its_deletion_alone(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    (ann, _), everything = await people(server, NOTE, table("fence")), await server.client()
    await follow(everything, NOTE, table("fence"), access_token=SERVICE)
    with writer.transaction():
        put(writer, 1, ANN)
        writer.execute("delete from note")
        put(writer, 2, ANN)
    for client in (ann, everything):  # even for a role that policies do not bind
        told = [(one["type"], one.get("record", one.get("old_record"))["id"])
                for one in await heard(writer, client)]  # fmt: skip
        assert told == [("DELETE", 1), ("INSERT", 2)]


async def test_a_filter_on_what_the_change_does_not_carry_lets_nothing_through(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    writer.execute("alter table note alter title set storage external")
    long = "x" * 50_000
    put(writer, 1, ANN, long)
    clients = []
    for condition in (f"title=eq.{long}", f"title=not.eq.{long}", "title=not.is.null", "id=eq.1"):
        client = await server.client()
        await follow(client, table("note", filter=condition), table("fence"), user=ANN)
        clients.append(client)
    for statement, kind in (
        ("update note set secret = 'changed'", "UPDATE"),  # the title, unchanged, is not sent
        ("delete from note", "DELETE"),  # and here nothing but the key is
    ):
        writer.execute(statement.encode())
        told = [[one["type"] for one in await heard(writer, client)] for client in clients]
        assert told[-1][0] == kind
        assert [kind for some in told[:-1] for kind in some] == []


async def test_a_regular_expression_without_an_end_costs_only_its_own_subscriber(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    ann, hostile = await server.client(), await server.client()
    await follow(ann, NOTE, user=ANN)
    endless = r"title=match.^(x+)(x+)(x+)(x+)(x+)\1\2\3\4\5$"
    await follow(hostile, table("note", filter=endless), table("fence"), user=ANN)
    began = time.monotonic()
    put(writer, 1, ANN, "x" * 301)
    assert (await change(ann))["record"]["id"] == 1
    put(writer, 2, ANN, "short")
    assert (await change(ann))["record"]["id"] == 2
    assert await heard(writer, hostile) == []
    assert time.monotonic() - began < 30, "the expression was cut short"


async def test_equal_claims_are_asked_about_once(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    writer.execute("create sequence asked")
    writer.execute("grant usage on sequence asked to authenticated")
    writer.execute("alter policy own on note using (nextval('public.asked') > 0)")
    same, other = token(sub=ANN), token(sub=BOB)
    clients = [await server.client() for _ in range(5)]
    for client, access in zip(clients, (same, same, same, other, other), strict=True):
        await follow(client, NOTE, access_token=access)
    put(writer, 1, ANN)
    for client in clients:
        assert (await change(client))["record"]["id"] == 1
    assert writer.execute("select last_value from asked").fetchone() == (2,)
