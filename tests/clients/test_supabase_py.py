"""The unmodified supabase-py works against the core: sync for rows, async for realtime."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import pytest
from postgrest.exceptions import APIError
from realtime import (
    AsyncRealtimeChannel,
    RealtimePostgresChangesListenEvent,
    RealtimeSubscribeStates,
)
from storage3.exceptions import StorageApiError
from supabase import AsyncClient, AuthApiError, Client, acreate_client, create_client
from supabase.lib.client_options import AsyncClientOptions, SyncClientOptions

from tests.live import Live

PASSWORD = "correct horse battery"


def new_email(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}@example.org"


@pytest.fixture
def anonymous(live: Live) -> Iterator[Client]:
    """A client without a session; the connections of all its parts end with the test."""
    with httpx.Client() as connections:
        yield create_client(live.url, live.anon_key, SyncClientOptions(httpx_client=connections))


@pytest.fixture
def ada(anonymous: Client) -> Client:
    """A signed-in client of a new account."""
    anonymous.auth.sign_up({"email": new_email("ada"), "password": PASSWORD})
    return anonymous


def rows(response: Any) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = response.data
    return data


def new_board(client: Client) -> tuple[str, dict[str, str]]:
    board: Any = client.rpc("create_board", {"name": "Python"}).execute().data
    columns = rows(client.table("column").select("key, id").eq("board_id", board["id"]).execute())
    return board["id"], {column["key"]: column["id"] for column in columns}


def test_a_user_signs_up_signs_in_and_out(anonymous: Client) -> None:
    client = anonymous
    email = new_email("who")
    created = client.auth.sign_up({"email": email, "password": PASSWORD})
    assert created.user is not None
    assert created.session is not None
    signed_in = client.auth.sign_in_with_password({"email": email, "password": PASSWORD})
    assert signed_in.user is not None
    assert signed_in.user.id == created.user.id
    refreshed = client.auth.refresh_session()
    assert refreshed.session is not None
    user = client.auth.get_user(refreshed.session.access_token)
    assert user is not None
    assert user.user.email == email
    client.auth.sign_out()
    with pytest.raises(AuthApiError, match="Invalid login credentials"):
        client.auth.sign_in_with_password({"email": email, "password": "wrong password"})


def test_rows_are_written_embedded_changed_and_counted(ada: Client) -> None:
    board, columns = new_board(ada)
    card: Any = (
        ada.rpc("create_card", {"column_id": columns["backlog"], "title": "Из Python"})
        .execute()
        .data
    )
    found = rows(
        ada.table("card").select("id, task(title), column(key)").eq("board_id", board).execute()
    )
    assert found == [
        {"id": card["id"], "task": {"title": "Из Python"}, "column": {"key": "backlog"}}
    ]
    ids = [str(uuid.uuid4()) for _ in range(2)]
    tasks = [{"id": task, "board_id": board, "title": "New"} for task in ids]
    ada.table("task").insert(tasks[0]).execute()
    upserted = ada.table("task").upsert([task | {"title": "Newer"} for task in tasks]).execute()
    assert [row["title"] for row in rows(upserted)] == ["Newer", "Newer"]
    page = (
        ada.table("task").select("title", count="exact").in_("id", ids).limit(1).execute()  # type: ignore[arg-type]  # the stub wants the enum, the docs say text
    )
    assert (page.count, len(page.data)) == (2, 1)
    ada.table("task").delete().in_("id", ids).execute()
    assert ada.table("task").select("id").in_("id", ids).execute().data == []


def test_errors_keep_their_code_details_and_hint(ada: Client) -> None:
    _, columns = new_board(ada)
    for number in range(3):
        ada.rpc(
            "create_card", {"column_id": columns["review"], "title": f"card {number}"}
        ).execute()
    with pytest.raises(APIError) as refusal:
        ada.rpc("create_card", {"column_id": columns["review"], "title": "one more"}).execute()
    assert refusal.value.code == "PT409"
    assert '"limit": 3' in str(refusal.value.details)
    assert refusal.value.hint
    with pytest.raises(APIError) as refusal:
        ada.table("task").select("*").eq("id", str(uuid.uuid4())).single().execute()
    assert refusal.value.code == "PGRST116"


@pytest.fixture
async def listener(live: Live) -> AsyncIterator[AsyncClient]:
    async with httpx.AsyncClient() as connections:
        client = await acreate_client(
            live.url, live.anon_key, AsyncClientOptions(httpx_client=connections)
        )
        await client.auth.sign_up({"email": new_email("ear"), "password": PASSWORD})
        yield client
        await client.remove_all_channels()
        await client.realtime.close()


async def subscribe(channel: AsyncRealtimeChannel) -> None:
    """Wait until the server has accepted the channel."""
    accepted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def answered(state: RealtimeSubscribeStates, error: Exception | None) -> None:
        if accepted.done():
            return
        if state == RealtimeSubscribeStates.SUBSCRIBED:
            accepted.set_result(None)
        else:
            accepted.set_exception(error or RuntimeError(str(state)))

    await channel.subscribe(answered)
    await asyncio.wait_for(accepted, 15)


async def until(condition: Callable[[], object], timeout_s: float = 15) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - the condition is the client's, it has no event
            await asyncio.sleep(0.02)


async def test_row_changes_are_heard(listener: AsyncClient) -> None:
    board: Any = (await listener.rpc("create_board", {"name": "Heard"}).execute()).data
    heard: list[Any] = []
    system: list[Any] = []
    channel = listener.channel("changes").on_postgres_changes(
        RealtimePostgresChangesListenEvent.All,
        heard.append,
        table="task",
        schema="public",
        filter=f"board_id=eq.{board['id']}",
    )
    channel.on_system(system.append)
    await subscribe(channel)
    await until(lambda: any(message.status == "ok" for message in system))
    await listener.table("task").insert({"board_id": board["id"], "title": "Hear me"}).execute()
    await until(lambda: heard)
    assert heard[0]["data"]["type"] == "INSERT"
    assert heard[0]["data"]["record"]["title"] == "Hear me"


async def test_a_broadcast_comes_back_to_its_sender_when_asked_for(listener: AsyncClient) -> None:
    heard: list[Any] = []
    channel = listener.channel("room", cast(Any, {"config": {"broadcast": {"self": True}}}))
    channel.on_broadcast("cursor", heard.append)
    await subscribe(channel)
    await channel.send_broadcast("cursor", {"x": 1})
    await until(lambda: heard)
    assert heard[0]["payload"] == {"x": 1}


async def test_presence_shows_who_tracks(listener: AsyncClient) -> None:
    channel = listener.channel(
        "people", cast(Any, {"config": {"presence": {"key": "me", "enabled": True}}})
    )
    channel.on_presence_sync(lambda: None)
    await subscribe(channel)
    await channel.track({"looking_at": "backlog"})
    await until(lambda: "me" in channel.presence_state())
    assert channel.presence_state()["me"][0]["looking_at"] == "backlog"  # type: ignore[typeddict-item]  # what was tracked rides along


async def test_a_private_channel_hears_the_database_and_what_it_had_said_before(
    listener: AsyncClient,
) -> None:
    session = await listener.auth.get_session()
    assert session
    topic = f"club:{session.user.id}"
    for words in ("one", "two"):
        await listener.rpc("say", {"topic": topic, "words": words}).execute()
    heard: list[Any] = []
    replay = {"since": int(time.time() * 1000) - 60_000, "limit": 1}
    config = {"private": True, "broadcast": {"replay": replay}}
    channel = listener.channel(topic, cast(Any, {"config": config}))
    channel.on_broadcast("said", heard.append)
    await subscribe(channel)
    await until(lambda: heard)
    await listener.rpc("say", {"topic": topic, "words": "three"}).execute()
    await until(lambda: len(heard) > 1)
    assert [message["payload"]["words"] for message in heard] == ["two", "three"]
    assert heard[0]["meta"]["replayed"] is True
    stranger = listener.channel(f"club:{uuid.uuid4()}", cast(Any, {"config": {"private": True}}))
    with pytest.raises(Exception, match="Unauthorized"):
        await subscribe(stranger)


def test_objects_are_stored_listed_signed_and_removed(ada: Client, live: Live) -> None:
    with httpx.Client() as connections:
        service = create_client(
            live.url, live.service_key, SyncClientOptions(httpx_client=connections)
        )
        if "people" not in {bucket.id for bucket in service.storage.list_buckets()}:
            service.storage.create_bucket("people")
    session = ada.auth.get_session()
    assert session is not None
    folder, people = session.user.id, ada.storage.from_("people")
    people.upload(
        f"{folder}/note.txt", "Привет".encode(), {"content-type": "text/plain", "upsert": "false"}
    )
    assert people.download(f"{folder}/note.txt").decode() == "Привет"
    with pytest.raises(StorageApiError, match="already exists"):
        people.upload(f"{folder}/note.txt", b"again")
    people.move(f"{folder}/note.txt", f"{folder}/moved.txt")
    people.copy(f"{folder}/moved.txt", f"{folder}/copy.txt")
    assert [one["name"] for one in people.list(folder)] == ["copy.txt", "moved.txt"]
    assert people.info(f"{folder}/copy.txt")["content_type"] == "text/plain"
    signed = people.create_signed_url(f"{folder}/copy.txt", 60)["signedURL"]
    assert signed is not None
    assert httpx.get(signed).text == "Привет"
    slashed = people.create_signed_upload_url(f"/{folder}/leading/slash.png")
    assert urlsplit(slashed["signed_url"]).path.endswith(f"/people/{folder}/leading/slash.png")
    assert len(people.remove([f"{folder}/copy.txt", f"{folder}/moved.txt"])) == 2
    assert not people.exists(f"{folder}/copy.txt")
    with pytest.raises(StorageApiError, match="row-level security"):
        people.upload("another/note.txt", b"not mine")
