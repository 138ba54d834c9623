"""What is refused or passed over, in the words that clients know, where no other file says so."""

from __future__ import annotations

from typing import Any

import httpx
import psycopg
import pytest
from websockets.asyncio.client import connect

from gavan.core.realtime import channel as channel_module
from gavan.core.realtime.app import build
from gavan.core.realtime.limits import Limits
from gavan.core.settings import Settings
from tests.conftest import Database
from tests.integration.core.realtime.conftest import serving, settings_of
from tests.integration.core.realtime.wire import ANON, SERVICE, RawClient, Server, token

TOPIC = "realtime:team"
READS = "create policy reads on realtime.messages for select to authenticated using (true);"
AS_SERVICE = {"authorization": f"Bearer {SERVICE}"}
ONE = {"topic": "team", "event": "e", "payload": {}}


async def member(server: Server) -> RawClient:
    """A reader of the private channel who hears what the database says."""
    client = await server.client()
    config = {"private": True, "broadcast": {"replication_ready": True}}
    assert (await client.join(TOPIC, config, access_token=token()))["status"] == "ok"
    assert (await client.expect("system")).payload["status"] == "ok"
    return client


async def test_the_key_of_the_header_wins(server: Server) -> None:
    url = f"ws://127.0.0.1:{server.port}/websocket?apikey=nonsense&vsn=2.0.0&log_level=info"
    async with connect(url, additional_headers={"x-api-key": ANON}) as socket:
        assert await RawClient(socket, "2.0.0").is_quiet()


async def test_a_channel_that_fails_says_so_and_is_joined_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await server.client()
    await client.join(TOPIC)
    with monkeypatch.context() as broken:
        broken.delattr(channel_module, "change_presence")
        await client.send(TOPIC, "presence", {"event": "track", "payload": {}})
        got = await client.expect("phx_error")
    assert (got.ref, got.join_ref, got.payload) == ("1", "1", {"reason": "channel_crash"})
    assert (await client.join(TOPIC))["status"] == "ok"


async def test_an_event_that_nobody_knows_is_passed_over(server: Server) -> None:
    client = await server.client()
    await client.join(TOPIC)
    await client.send(TOPIC, "dance", {})
    assert await client.is_quiet()


async def test_what_is_too_large_is_refused_in_each_way(settings: Settings) -> None:
    limits = Limits(broadcast_bytes=200, messages_per_s=2)
    large = {"text": "x" * 300}
    async with serving(build(settings, limits=limits)) as server:
        client = await server.client()
        await client.join(TOPIC)
        await client.send(TOPIC, "broadcast", {"event": "e", "payload": large})
        assert await client.is_quiet(), "without an ack nothing is said"
        await client.send(TOPIC, "presence", {"event": "track", "payload": large})
        assert (await client.expect("system")).payload["message"] == "Track message size exceeded"
        assert (await client.receive()).event == "phx_close"
        async with httpx.AsyncClient(base_url=server.http_url, headers=AS_SERVICE) as http:
            text = "Payload size exceeds tenant limit"
            answer = await http.post("/api/broadcast/team/events/e", json=large)
            assert (answer.status_code, answer.json()["errors"]["payload"]) == (422, [text])
            batch = {"messages": [{**ONE, "payload": large}]}
            answer = await http.post("/api/broadcast", json=batch)
            assert answer.status_code == 422
            assert answer.json() == {"errors": {"messages": [{"payload": [text]}]}}
            answer = await http.post("/api/broadcast", json={"messages": [ONE] * 3})
            assert (answer.status_code, answer.json()["message"]) == (
                429,
                "Too many messages to broadcast, please reduce the batch size",
            )
            assert (await http.options("/api/broadcast")).status_code == 204


async def test_a_policy_that_fails_or_sleeps_is_told_over_http_and_at_the_join(
    database: Database,
) -> None:
    with database.connect("supabase_admin") as admin:
        admin.execute("create policy broken on realtime.messages with check (1 / 0 = 1)")
        async with serving(build(settings_of(database))) as server:
            headers = {"authorization": f"Bearer {token()}"}
            async with httpx.AsyncClient(base_url=server.http_url, headers=headers) as http:
                answer = await http.post(
                    "/api/broadcast/team/events/e?private=true", json={}, headers=headers
                )
                assert (answer.status_code, answer.json()) == (
                    422,
                    {"message": "RLS policy error"},
                )
            admin.execute(
                "drop policy broken on realtime.messages;"
                "create policy sleeps on realtime.messages using (pg_sleep(60) is null)"
            )
            client = await server.client()
            reply = await client.join(TOPIC, {"private": True}, access_token=token())
            assert reply["response"]["reason"].startswith("QueryCanceled: ")


async def test_triggers_tell_of_each_row_and_of_no_statement(database: Database) -> None:
    with database.connect("supabase_admin") as admin:
        admin.execute(
            READS.encode() + b"create table public.item (id int primary key);"
            b"create function public.tell() returns trigger language plpgsql as $$ begin"
            b" perform realtime.broadcast_changes('team', tg_op, tg_op, tg_table_name,"
            b" tg_table_schema, new, old, tg_level); return null; end $$;"
            b"create trigger tell after insert or update or delete on public.item"
            b" for each row execute function public.tell()"
        )
        async with serving(build(settings_of(database))) as server:
            client = await member(server)
            for statement in ("insert into item values (1)", "update item set id = 2",
                              "delete from item"):  # fmt: skip
                admin.execute(statement.encode())
            told: list[Any] = []
            for _ in range(3):
                payload = (await client.expect("broadcast")).payload
                assert payload["event"] == payload["payload"]["operation"]
                assert (payload["payload"]["schema"], payload["payload"]["table"]) == (
                    "public",
                    "item",
                )
                told.append([payload["payload"][name] for name in ("record", "old_record")])
            assert told == [[{"id": 1}, None], [{"id": 2}, {"id": 1}], [None, {"id": 2}]]
            admin.execute(
                "create trigger once after insert on public.item"
                " for each statement execute function public.tell()"
            )
            with pytest.raises(psycopg.errors.RaiseException, match="Failed to process the row"):
                admin.execute("insert into item values (3)")


async def test_a_stored_message_without_event_or_room_is_passed_over(database: Database) -> None:
    with database.connect("supabase_admin") as admin:
        admin.execute(READS.encode())
        async with serving(build(settings_of(database))) as server:
            client = await member(server)
            for event, private in ((None, True), ("e", None), ("heard", True)):
                admin.execute(
                    "insert into realtime.messages (topic, extension, payload, event, private)"
                    " values ('team', 'broadcast', '{}', %s, %s)",
                    (event, private),
                )
            assert (await client.expect("broadcast")).payload["event"] == "heard"
            assert await client.is_quiet()
