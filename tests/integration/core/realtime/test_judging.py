"""What users have written judges a change: it may fail, stall, write, and nobody else suffers."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest

from gavan.core.realtime.app import build
from tests.conftest import Database
from tests.integration.core.realtime.conftest import serving, settings_of
from tests.integration.core.realtime.following import ANN, BOB, change, follow, subscribed, table
from tests.integration.core.realtime.wire import SERVICE, RawClient, Server, token

NOTE = table("note")
SCHEMA = """
create table public.note (id int primary key, owner uuid not null, title text, data json);
alter table public.note enable row level security;
alter publication supabase_realtime add table public.note;
create table public.trace (who text);
grant all on public.trace to public;
create sequence public.asked;
grant all on sequence public.asked to public;
"""
OWN = "create policy own on public.note using (owner = auth.uid())"


@pytest.fixture
def writer(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with database.connect() as connection:
        connection.execute(SCHEMA.encode())
        yield connection


@pytest.fixture
async def server(database: Database, writer: psycopg.Connection[Any]) -> AsyncIterator[Server]:
    async with serving(build(settings_of(database))) as running:
        yield running


async def people(server: Server) -> tuple[RawClient, RawClient]:
    """Ann and Bob, who follow the notes."""
    ann, bob = await server.client(), await server.client()
    await follow(ann, NOTE, user=ANN)
    await follow(bob, NOTE, user=BOB)
    return ann, bob


def put(writer: psycopg.Connection[Any], number: int, owner: str, **more: str) -> None:
    columns = "".join(f", {name}" for name in more)
    values = ", %s" * len(more)
    query = f"insert into note (id, owner{columns}) values (%s, %s{values})"
    writer.execute(query.encode(), (number, owner, *more.values()))


async def hears(client: RawClient, number: int) -> None:
    """The next that a client is sent is this row."""
    got = await client.receive()
    assert got.event == "postgres_changes", got
    assert got.payload["data"]["record"]["id"] == number


def logged(caplog: pytest.LogCaptureFixture, name: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.getMessage() == name]


async def test_a_row_that_has_no_json_form_sends_its_followers_to_fetch_once(
    server: Server, writer: psycopg.Connection[Any], caplog: pytest.LogCaptureFixture
) -> None:
    writer.execute(OWN.encode())
    ann, bob = await people(server)
    with writer.transaction():
        for number in range(3):
            put(writer, number, ANN, data='{"word": "hush \\u0000"}')
        put(writer, 3, ANN, data='{"word": "fine"}')
    await subscribed(ann)
    await hears(ann, 3)
    await subscribed(bob)
    put(writer, 4, BOB)
    await hears(bob, 4)
    assert await ann.is_quiet()
    put(writer, 5, ANN, data='"\\u0000"')
    await subscribed(ann)  # another transaction
    lines = logged(caplog, "change_not_judged")
    assert [vars(line)["table"] for line in lines] == ["public.note"] * len(lines)
    assert "22P05" in {vars(line)["sqlstate"] for line in lines}
    assert "hush" not in str([vars(line) for line in lines]), "a log is no place for rows"


async def test_whoever_cannot_be_judged_in_time_is_sent_to_fetch(
    server: Server, writer: psycopg.Connection[Any], caplog: pytest.LogCaptureFixture
) -> None:
    writer.execute(OWN.encode())
    writer.execute(
        f"create policy sleeps on note using (title = 'slow' and auth.uid() = '{BOB}'"
        " and pg_sleep(60) is null)".encode()
    )
    ann, bob = await people(server)
    put(writer, 1, ANN, title="slow")
    await hears(ann, 1)
    await subscribed(bob)
    put(writer, 2, BOB, title="fast")
    await hears(bob, 2)
    assert await ann.is_quiet()
    assert {vars(line)["sqlstate"] for line in logged(caplog, "change_not_judged")} == {"57014"}


async def test_a_change_that_nobody_can_be_asked_about_is_given_up_before_all_were_asked(
    server: Server, writer: psycopg.Connection[Any], caplog: pytest.LogCaptureFixture
) -> None:
    writer.execute(OWN.encode())
    writer.execute(b"create policy sleeps on note using (title = 'slow' and pg_sleep(60) is null)")
    clients = []
    for number in range(30):
        client = await server.client()
        user = f"11111111-1111-4111-8111-1111111111{number:02}"
        await follow(client, NOTE, user=user)
        clients.append((user, client))
    put(writer, 1, ANN, title="slow")
    put(writer, 2, clients[-1][0], title="fast")
    for _, client in clients:
        await subscribed(client)
    await hears(clients[-1][1], 2)
    assert 0 < len(logged(caplog, "change_not_judged")) < len(clients)


async def test_a_policy_that_writes_has_written_nothing_and_is_believed(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    writer.execute(
        b"create function public.traced() returns boolean language plpgsql as $$"
        b" begin insert into public.trace values (auth.uid()::text);"
        b" perform nextval('public.asked'), pg_notify('traced', 'x'); return true; end $$;"
        b"create policy own on public.note using (owner = auth.uid() and public.traced())"
    )
    ann, bob = await people(server)
    for number, (owner, client) in enumerate(((ANN, ann), (BOB, bob)) * 2):
        put(writer, number, owner)
        await hears(client, number)
    row = writer.execute("select last_value, (select count(*) from trace) from asked").fetchone()
    assert row == (4, 0), "asked about each row, and nothing is left of it"


async def test_what_a_policy_remembers_of_one_viewer_is_forgotten_before_the_next(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    # As policies do that look up who asks only once for a statement.
    writer.execute(
        b"create function public.me() returns text language plpgsql as $$ begin"
        b" if coalesce(current_setting('app.me', true), '') = '' then"
        b" perform set_config('app.me', auth.uid()::text, true);"
        b" create temporary table remembered as select auth.uid() as who; end if;"
        b" return current_setting('app.me') || (select who from remembered); end $$;"
        b"create policy own on public.note using (owner::text || owner = public.me())"
    )
    ann, bob = await people(server)
    for number, (owner, client) in enumerate(((ANN, ann), (BOB, bob)) * 2):
        put(writer, number, owner)
        await hears(client, number)
    assert await ann.is_quiet()
    assert await bob.is_quiet()


async def test_a_policy_of_messages_that_writes_has_written_nothing(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    writer.execute(
        b"create function public.traced() returns boolean language plpgsql as $$"
        b" begin insert into public.trace values (auth.uid()::text); return true; end $$;"
        b"create policy team on realtime.messages to authenticated"
        b" using (public.traced()) with check (public.traced())"
    )
    ann, bob = await server.client(), await server.client()
    for client, user in ((ann, ANN), (bob, BOB)):
        reply = await client.join("realtime:team", {"private": True}, access_token=token(sub=user))
        assert reply["status"] == "ok"
    said = {"type": "broadcast", "event": "said", "payload": {"n": 1}}
    await ann.send("realtime:team", "broadcast", said)
    assert (await bob.expect("broadcast")).payload["payload"] == {"n": 1}
    assert writer.execute("select count(*) from trace").fetchone() == (0,)
    assert writer.execute("select count(*) from realtime.messages").fetchone() == (0,)


async def test_a_role_of_ones_own_hears_what_it_may_once_the_data_api_may_become_it(
    server: Server, writer: psycopg.Connection[Any], database: Database
) -> None:
    role = f"team_{database.name}"
    writer.execute(f"create role {role} nologin; grant select on note to {role};".encode())
    writer.execute(f"create policy team on note to {role} using (title = 'ours')".encode())
    try:
        stranger = await server.client()
        await stranger.join(
            "realtime:changes", {"postgres_changes": [NOTE]}, access_token=token(role)
        )
        assert "may not subscribe" in (await stranger.expect("system")).payload["message"]
        writer.execute(f"grant {role} to authenticator".encode())
        member, service = await server.client(), await server.client()
        await follow(member, NOTE, access_token=token(role))
        await follow(service, NOTE, access_token=SERVICE)
        put(writer, 1, ANN, title="theirs")
        put(writer, 2, ANN, title="ours")
        await hears(member, 2)
        await hears(service, 1)
        writer.execute(f"revoke {role} from authenticator".encode())
        put(writer, 3, ANN, title="ours")
        await hears(service, 2)
        await hears(service, 3)
        assert await member.is_quiet()
    finally:
        with database.connect("supabase_admin") as admin:
            admin.execute(f"drop owned by {role}; drop role {role}".encode())


async def test_types_in_a_schema_that_is_closed_to_subscribers_are_told(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    writer.execute(
        b"create schema closed;"
        b"create type closed.mood as enum ('sad', 'glad');"
        b"create domain closed.few as int not null check (value < 10);"
        b"create domain closed.fewer as closed.few check (value < 5);"
        b"create table public.typed (id int primary key, mood closed.mood,"
        b" moods closed.mood[], few closed.fewer, many closed.few[]);"
        b"alter table public.typed enable row level security;"
        b"create policy everybody on public.typed using (true);"
        b"alter publication supabase_realtime add table public.typed"
    )
    ann, bob = await server.client(), await server.client()
    await follow(ann, table("typed", filter="mood=eq.glad"), user=ANN)
    await follow(bob, table("typed", filter="few=lt.4"), user=BOB)
    writer.execute("insert into typed values (1, 'sad', '{}', 3, '{1,2}')")
    writer.execute("insert into typed values (2, 'glad', '{sad,glad}', 4, null)")
    assert (await change(bob))["record"] == {
        "id": 1, "mood": "sad", "moods": [], "few": 3, "many": ["1", "2"],
    }  # fmt: skip
    data = await change(ann)
    assert data["record"] == {
        "id": 2, "mood": "glad", "moods": ["sad", "glad"], "few": 4, "many": None,
    }  # fmt: skip
    assert [column["type"] for column in data["columns"]] == [
        "int4",
        "mood",
        "_mood",
        "fewer",
        "_few",
    ]
