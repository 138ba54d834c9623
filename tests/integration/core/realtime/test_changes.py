"""Row changes from a real Postgres: who hears what, in which form, and what survives faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from gavan.core.realtime.app import build
from gavan.core.realtime.limits import Limits
from tests.conftest import Database
from tests.integration.core.realtime import wire
from tests.integration.core.realtime.conftest import serving, settings_of
from tests.integration.core.realtime.following import ANN, BOB, TOPIC, change, follow, table
from tests.integration.core.realtime.wire import Got, Server, token

SCHEMA = """
create type public.mood as enum ('happy', 'sad');
create table public.note (
    id bigint generated always as identity primary key,
    owner uuid not null,
    title text,
    amount numeric,
    tags text[],
    body jsonb,
    raw bytea,
    feeling public.mood,
    at timestamptz,
    secret text
);
alter table public.note enable row level security;
create policy own on public.note using (owner = auth.uid());
revoke all on public.note from anon, authenticated;
grant select (id, owner, title, amount, tags, body, raw, feeling, at)
    on public.note to authenticated;
create table public."column" (id int primary key, name text);
create table public.unkeyed (name text);
alter table public.unkeyed replica identity full;
create table public.unpublished (id int primary key);
alter publication supabase_realtime add table public.note, public."column", public.unkeyed;
"""


@pytest.fixture
def writer(database: Database) -> AsyncIterator[psycopg.Connection[Any]] | Any:
    with database.connect() as connection:
        connection.execute(SCHEMA.encode())
        yield connection


@pytest.fixture
async def server(database: Database, writer: psycopg.Connection[Any]) -> AsyncIterator[Server]:
    async with serving(build(settings_of(database))) as running:
        yield running


NOTE = table("note")
COLUMN = table("column")


@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
async def test_a_row_is_followed_through_insert_update_delete(
    server: Server, writer: psycopg.Connection[Any], vsn: str
) -> None:
    client = await server.client(vsn)
    ids = await follow(client, NOTE)
    writer.execute(
        "insert into note (owner, title, amount, tags, body, raw, feeling, at, secret) values (%s,"
        " 'Тест \"x\"', 1.50, '{a,\"b c\"}', '{\"k\":[1]}', '\\xff00', 'sad',"
        " '2026-01-01 02:00:00+02', 'hidden')",
        (ANN,),
    )
    got = await client.expect("postgres_changes")
    assert (got.ref, got.payload["ids"]) == (None, ids)
    data = got.payload["data"]
    stamp = data.pop("commit_timestamp")
    assert len(stamp) == len("2026-01-01T00:00:00.000Z")
    assert stamp.endswith("Z")
    assert data == {
        "type": "INSERT",
        "schema": "public",
        "table": "note",
        "errors": None,
        "columns": [
            {"name": "id", "type": "int8"},
            {"name": "owner", "type": "uuid"},
            {"name": "title", "type": "text"},
            {"name": "amount", "type": "numeric"},
            {"name": "tags", "type": "_text"},
            {"name": "body", "type": "jsonb"},
            {"name": "raw", "type": "bytea"},
            {"name": "feeling", "type": "mood"},
            {"name": "at", "type": "timestamptz"},
        ],
        "record": {
            "id": 1,
            "owner": ANN,
            "title": 'Тест "x"',
            "amount": 1.5,
            "tags": ["a", "b c"],
            "body": {"k": [1]},
            "raw": "ff00",
            "feeling": "sad",
            "at": "2026-01-01T00:00:00+00:00",
        },
    }
    writer.execute("update note set title = 'two'")
    data = await change(client)
    assert (data["type"], data["record"]["title"], data["old_record"]) == (
        "UPDATE",
        "two",
        {"id": 1},
    )
    writer.execute("delete from note")
    data = await change(client)
    assert (data["type"], data["old_record"], "record" in data) == ("DELETE", {"id": 1}, False)


async def test_nobody_hears_rows_of_another_user(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    ann, bob = await server.client(), await server.client()
    await follow(ann, NOTE, user=ANN)
    await follow(bob, NOTE, user=BOB)
    writer.execute("insert into note (owner, title) values (%s, 'secret')", (ANN,))
    writer.execute("update note set title = 'still secret'")
    writer.execute("insert into note (owner, title) values (%s, 'mine')", (BOB,))
    assert (await change(bob))["record"]["title"] == "mine"
    assert [(await change(ann))["type"] for _ in range(2)] == ["INSERT", "UPDATE"]
    # Ann hears nothing of Bob's: the next change she hears is her own again.
    writer.execute("insert into note (owner, title) values (%s, 'last')", (ANN,))
    assert (await change(ann))["record"]["title"] == "last"


async def test_the_anonymous_role_hears_no_rows_behind_a_policy(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    client = await server.client()
    await client.join(TOPIC, {"postgres_changes": [NOTE]})
    await client.expect("system")
    writer.execute("insert into note (owner) values (%s)", (ANN,))
    data = await change(client)
    assert (data["errors"], data["record"], data["columns"]) == (
        ["Error 401: Unauthorized"],
        {},
        [],
    )


async def test_a_table_named_by_a_reserved_word_is_followed(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    client = await server.client()
    await follow(client, COLUMN)
    writer.execute("""insert into "column" values (1, 'Backlog')""")
    assert (await change(client))["record"] == {"id": 1, "name": "Backlog"}


@pytest.mark.parametrize(
    ("condition", "hit", "miss"),
    [
        ("name=eq.a", "a", "b"),
        ("name=neq.a", "b", "a"),
        ("name=not.eq.a", "b", "a"),
        ("id=gt.10", "11", "9"),
        ("id=lte.10", "9", "11"),
        ('name=in.(a,"b,c")', "b,c", "b"),
        ("name=like.a%", "abc", "cba"),
        ("name=ilike.A%", "abc", "cba"),
        ("name=match.^a+$", "aaa", "aab"),
        ("name=imatch.^A+$", "aaa", "aab"),
        ("name=not.is.null", "x", "null"),
        ("name=isdistinct.a", "null", "a"),
        ('name=eq."a,b"', "a,b", "a"),
        ("name=eq.a,id=lt.10", "a", "b"),
    ],
)
async def test_a_filter_lets_only_its_rows_through(
    server: Server, writer: psycopg.Connection[Any], condition: str, hit: str, miss: str
) -> None:
    client = await server.client()
    await follow(client, {**COLUMN, "filter": condition})
    by_id = condition.startswith("id")
    for number, value in enumerate((miss, hit), start=1):
        row = (int(value), None) if by_id else (number, None if value == "null" else value)
        writer.execute("""insert into "column" values (%s, %s)""", row)
    record = (await change(client))["record"]
    assert record["id" if by_id else "name"] == (
        int(hit) if by_id else None if hit == "null" else hit
    )


async def test_entries_of_one_channel_share_one_message(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    client = await server.client()
    ids = await follow(
        client, COLUMN, {**COLUMN, "event": "INSERT"}, {**COLUMN, "filter": "id=eq.7"}
    )
    writer.execute("""insert into "column" values (1, 'x')""")
    assert (await client.expect("postgres_changes")).payload["ids"] == ids[:2]


async def test_selected_columns_come_with_the_key_and_wildcards_cover_the_schema(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    one, all_tables = await server.client(), await server.client()
    await follow(one, {**NOTE, "select": ["title"]})
    await follow(all_tables, {"event": "*", "schema": "*"})
    writer.execute("insert into note (owner, title, amount) values (%s, 't', 5)", (ANN,))
    assert (await change(one))["record"] == {"id": 1, "title": "t"}
    assert (await change(all_tables))["record"]["amount"] == 5
    writer.execute("""insert into "column" values (1, 'x')""")
    assert (await change(all_tables))["table"] == "column"


async def test_a_table_without_a_key_says_so(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    client = await server.client()
    await follow(client, {"schema": "public", "table": "unkeyed"})
    writer.execute("insert into unkeyed values ('x')")
    assert (await change(client))["errors"] == ["Error 400: Bad Request, no primary key"]


@pytest.mark.parametrize(
    ("entry", "part"),
    [
        ({"schema": "public", "table": "unpublished"}, "Please check Realtime is enabled"),
        ({"schema": "public", "table": "absent"}, "Please check Realtime is enabled"),
        ({"event": "*"}, "No subscription params provided"),
        ({"schema": "public", "table": None}, "No subscription params provided"),
        ({"schema": "public", "filter": "id=eq.1"}, "No subscription params provided"),
        ({**COLUMN, "filter": "foo.hey"}, 'Error parsing `filter` params: ["foo", "hey"]'),
        ({**COLUMN, "filter": "id=eq.abc"}, "invalid input syntax for type integer"),
        ({**COLUMN, "filter": "nope=eq.1"}, "invalid column for filter nope"),
        ({**COLUMN, "filter": "name=match.("}, "invalid regular expression"),
        ({**COLUMN, "filter": "id=like.1"}, "operator does not exist"),
        ({**NOTE, "filter": "secret=eq.hidden"}, "invalid column for filter secret"),
        ({**COLUMN, "filter": "name=eq.a'; drop table note; --"}, "Subscribed"),
    ],
)
async def test_a_subscription_that_cannot_be_served_says_why_and_stays(
    server: Server, entry: dict[str, object], part: str
) -> None:
    client = await server.client()
    reply = await client.join(TOPIC, {"postgres_changes": [entry]}, access_token=token(sub=ANN))
    assert reply["status"] == "ok"
    system = await client.expect("system")
    assert part in system.payload["message"]
    ref = await client.send(TOPIC, "presence", {"event": "untrack"})
    assert (await client.reply_to(ref))["status"] == "ok"


async def test_a_role_that_the_service_may_not_become_is_refused(server: Server) -> None:
    client = await server.client()
    for role in ("supabase_admin", "nobody_at_all"):
        await client.join(TOPIC, {"postgres_changes": [COLUMN]}, access_token=token(role))
        system = await client.expect("system")
        assert "may not subscribe" in system.payload["message"]


async def test_a_new_token_is_judged_from_then_on(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    client = await server.client()
    await follow(client, NOTE, user=ANN)
    await client.send(TOPIC, "access_token", {"access_token": token(sub=BOB)})
    assert (await client.expect("system")).payload["message"] == "Subscribed to PostgreSQL"
    writer.execute("insert into note (owner, title) values (%s, 'a'), (%s, 'b')", (ANN, BOB))
    assert (await change(client))["record"]["title"] == "b"


async def test_a_failing_policy_hides_the_row_and_harms_nobody_else(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    writer.execute("create policy broken on note using (1 / (length(title) - 6) > 0)")
    ann, service = await server.client(), await server.client()
    await follow(ann, NOTE)
    await service.join(TOPIC, {"postgres_changes": [NOTE]}, access_token=wire.SERVICE)
    await service.expect("system")
    writer.execute("insert into note (owner, title) values (%s, 'broken')", (BOB,))
    assert (await change(service))["record"]["title"] == "broken"
    writer.execute("insert into note (owner, title) values (%s, 'fine')", (ANN,))
    assert (await change(ann))["record"]["title"] == "fine"


async def test_an_unchanged_large_value_is_left_out(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    writer.execute("""alter table "column" alter name set storage external""")
    writer.execute("""insert into "column" values (1, repeat('x', 100000))""")
    client = await server.client()
    await follow(client, COLUMN)
    writer.execute("""update "column" set id = 2""")
    data = await change(client)
    assert (data["record"], data["old_record"]) == ({"id": 2}, {"id": 1})


async def test_a_change_over_the_limit_keeps_its_small_values(
    database: Database, writer: psycopg.Connection[Any]
) -> None:
    async with serving(build(settings_of(database), limits=Limits(change_bytes=1000))) as server:
        client = await server.client()
        await follow(client, COLUMN)
        writer.execute("""insert into "column" values (1, repeat('x', 2000))""")
        data = await change(client)
        assert (data["record"], data["errors"]) == ({"id": 1}, ["Error 413: Payload Too Large"])


async def test_a_table_published_later_is_followed_by_a_wildcard(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    client = await server.client()
    await follow(client, {"schema": "public", "table": "*"})
    writer.execute("alter publication supabase_realtime add table unpublished")
    writer.execute("insert into unpublished values (5)")
    assert (await change(client))["record"] == {"id": 5}


async def test_the_stream_comes_back_after_its_backends_are_killed(
    server: Server, database: Database, writer: psycopg.Connection[Any]
) -> None:
    client = await server.client()
    await follow(client, COLUMN)
    with database.connect("supabase_admin") as admin:
        killed = admin.execute(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity"
            " where datname = current_database() and application_name like 'gavan realtime%'"
        ).fetchone()
    assert killed == (3,)
    again = await client.expect("system")
    assert (again.payload["status"], again.payload["message"]) == ("ok", "Subscribed to PostgreSQL")
    writer.execute("""insert into "column" values (1, 'after')""")
    assert (await change(client))["record"]["name"] == "after"
    late = await server.client()
    await follow(late, COLUMN)


async def test_every_row_of_a_large_transaction_arrives_in_order(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    client = await server.client()
    await follow(client, COLUMN)
    writer.execute("""insert into "column" select n, 'x' from generate_series(1, 500) as n""")
    assert [(await change(client))["record"]["id"] for _ in range(500)] == list(range(1, 501))


async def test_a_transaction_that_is_too_large_has_everybody_fetch_anew(
    database: Database, writer: psycopg.Connection[Any]
) -> None:
    limits = Limits(changes_per_transaction=10)
    async with serving(build(settings_of(database), limits=limits)) as server:
        client = await server.client()
        await follow(client, COLUMN)
        writer.execute("""insert into "column" select n, 'x' from generate_series(1, 5000) as n""")
        assert [(await change(client))["record"]["id"] for _ in range(10)] == list(range(1, 11))
        again = await client.receive()
        assert (again.event, again.payload["message"]) == ("system", "Subscribed to PostgreSQL")
        writer.execute("""insert into "column" values (5001, 'next')""")
        assert (await change(client))["record"]["id"] == 5001


async def test_a_row_is_judged_only_once_its_commit_is_visible_to_others(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    """The stream sends a commit a moment before other sessions see its rows."""
    client = await server.client()
    await follow(client, NOTE)
    for number in range(100):
        insert = "insert into note (owner, amount) values (%s, %s)"
        await asyncio.to_thread(writer.execute, insert, (ANN, number))
        assert (await change(client))["record"]["amount"] == number


async def test_a_broadcast_from_the_database_reaches_its_public_room(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    client = await server.client()
    await follow(client, COLUMN)
    writer.execute("select realtime.send('{\"x\": 1}', 'news', 'changes', false)")
    got: Got = await client.expect("broadcast")
    assert got.payload["event"] == "news"
    assert got.payload["payload"]["x"] == 1
    assert set(got.payload["meta"]) == {"id"}


async def test_a_later_join_does_not_hide_a_new_table_from_earlier_wildcards(
    server: Server, writer: psycopg.Connection[Any]
) -> None:
    early = await server.client()
    await follow(early, {"schema": "public", "table": "*"})
    writer.execute("alter publication supabase_realtime add table unpublished")
    late = await server.client()
    await follow(late, {"schema": "public", "table": "unpublished"})
    writer.execute("insert into unpublished values (7)")
    assert (await change(late))["record"] == {"id": 7}
    assert (await change(early))["record"] == {"id": 7}
