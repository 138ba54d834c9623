"""Restore and drill by the command line, on a stack that serves all the while."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.cli_stack import LiveStack
from tests.servers import wait_until

DEADLINE_S = 60.0
SCHEMA = (
    "create table card (title text primary key)",
    "grant all on card to anon, authenticated, service_role",
    "alter publication supabase_realtime add table card",
)
MORE = '[core.realtime]\nslot = "{slot}"\n[backup.drill]\nsql = ["select count(*) = 1 from card"]\n'


@pytest.fixture(params=["temporary", "durable"])
def stack(request: pytest.FixtureRequest) -> Iterator[LiveStack]:
    """A stack that runs, with its realtime service reading each kind of slot."""
    folder = Path(tempfile.mkdtemp(prefix="gv", dir="/tmp"))
    folder.chmod(0o755)
    made = LiveStack(folder, MORE.format(slot=request.param))
    made.up()
    yield made
    made.gavan("down", "--force")
    shutil.rmtree(folder, ignore_errors=True)


class Client:
    """What an application does with the stack, by its API."""

    def __init__(self, facts: dict[str, str]) -> None:
        key = facts["SERVICE_ROLE_KEY"]
        headers = {"apikey": key, "Authorization": f"Bearer {key}"}
        self.http = httpx.Client(base_url=facts["API_URL"], headers=headers, timeout=30)
        self.statuses: Counter[int] = Counter()

    def close(self) -> None:
        self.http.close()

    def titles(self) -> list[str] | None:
        """Return the cards; None while the API cannot say."""
        answer = self.http.get("/rest/v1/card?select=title&order=title")
        self.statuses[answer.status_code] += 1
        return [row["title"] for row in answer.json()] if answer.status_code == 200 else None

    def add(self, title: str) -> bool:
        return self.http.post("/rest/v1/card", json={"title": title}).status_code == 201

    def status(self, path: str) -> int:
        return self.http.get(path).status_code

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Ask for the cards all the while."""
        over = threading.Event()

        def read() -> None:
            while not over.is_set():
                self.titles()

        thread = threading.Thread(target=read)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


async def frame(socket: ClientConnection, topic: str, event: str, payload: Any) -> None:
    await socket.send(json.dumps(["1", "1", topic, event, payload]))


async def heard(socket: ClientConnection, title: str, client: Client) -> None:
    """Add cards until the socket tells of one of them."""
    number = 0
    async with asyncio.timeout(DEADLINE_S):
        while True:
            await asyncio.to_thread(client.add, f"{title} {number}")
            number += 1
            try:
                async with asyncio.timeout(1.0):
                    while True:
                        _, _, _, event, payload = json.loads(await socket.recv())
                        record = payload.get("data", {}).get("record", {})
                        if event == "postgres_changes" and record["title"].startswith(title):
                            return
            except TimeoutError:
                continue


async def test_yesterday_comes_back_under_a_stack_that_serves(stack: LiveStack) -> None:
    facts = stack.gavan("status", "-o", "env")["data"]
    with psycopg.connect(facts["DB_URL"], autocommit=True) as connection:
        for statement in SCHEMA:
            connection.execute(statement.encode())
    with closing(Client(facts)) as client:
        await _walk(stack, client, facts)


async def _walk(stack: LiveStack, client: Client, facts: dict[str, str]) -> None:
    login = {"email": "ann@example.com", "password": "correct horse", "email_confirm": True}
    assert client.http.post("/auth/v1/admin/users", json=login).status_code == 200
    client.http.post("/storage/v1/bucket", json={"name": "files", "public": False})
    assert client.http.post("/storage/v1/object/files/a.txt", content=b"of monday").is_success
    wait_until(lambda: client.add("monday"))
    made = await asyncio.to_thread(stack.gavan, "backup", "run")
    wait_until(lambda: client.add("tuesday"))
    with psycopg.connect(facts["DB_URL"], autocommit=True) as connection:
        connection.execute("create table later (id int)")
        connection.execute("grant select on later to service_role")
    wait_until(lambda: client.status("/rest/v1/later") == 200)
    assert client.http.delete("/storage/v1/object/files/a.txt").is_success
    address = f"ws://127.0.0.1:{stack.ports[1]}/realtime/v1/websocket?vsn=2.0.0"
    async with connect(f"{address}&apikey={facts['SERVICE_ROLE_KEY']}") as socket:
        changes = [{"event": "*", "schema": "public", "table": "card"}]
        await frame(socket, "realtime:x", "phx_join", {"config": {"postgres_changes": changes}})
        await heard(socket, "before", client)
        refused = await asyncio.to_thread(stack.gavan, "backup", "restore", "latest", code=6)
        assert refused["error"]["code"] == "GV004"
        with client.reading():
            done = await asyncio.to_thread(stack.gavan, "backup", "restore", "latest", "--yes")
            wait_until(lambda: client.titles() == ["monday"])
        # The same socket goes on to tell of the new database.
        await heard(socket, "after", client)
    assert done["data"]["backup"] == made["data"]["id"]
    wait_until(lambda: client.status("/rest/v1/later") == 404)
    assert client.http.get("/storage/v1/object/files/a.txt").content == b"of monday"
    token = client.http.post("/auth/v1/token?grant_type=password", json=login)
    assert token.status_code == 200, token.text
    # Who asks in the moment of the swap may be told to come again, and nothing worse.
    assert set(client.statuses) <= {200, 503}, client.statuses
    assert client.statuses[200] > client.statuses[503]
    _look_after(stack, done["data"]["kept"], facts["DB_URL"])


def _look_after(stack: LiveStack, kept: str, url: str) -> None:
    """The old one is there until it is discarded, and a restart finds the new one."""
    with psycopg.connect(url.rsplit("/", 1)[0] + f"/{kept}") as old:
        row = old.execute("select count(*) from card where title = 'tuesday'").fetchone()
    assert row == (1,)
    assert stack.gavan("backup", "restore", "--discard-old", "--yes")["data"]["databases"] == [kept]
    assert stack.gavan("backup", "restore", "--discard-old")["data"]["databases"] == []
    stack.gavan("down")
    stack.up()
    with psycopg.connect(url) as connection:
        row = connection.execute("select count(*) from card where title = 'monday'").fetchone()
        assert row == (1,)
        slots = connection.execute(
            "select database from pg_replication_slots where database <> current_database()"
        ).fetchall()
    assert slots == []
