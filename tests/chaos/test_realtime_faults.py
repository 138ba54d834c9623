"""Subscribers while the whole Postgres dies: sockets stay, later changes arrive, each one once."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.cli_stack import LiveStack

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

TOPIC = "realtime:faults"
ACTIVE = "Subscribed to PostgreSQL"
DEADLINE_S = 60.0
KILLS = 3


class Follower:
    """One client that follows a table; it joins once and never again."""

    def __init__(self, socket: ClientConnection, vsn: str) -> None:
        self._socket = socket
        self._vsn = vsn
        self.seen: list[int] = []
        self.activations = 0
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Join, answer every quarter of a minute as the clients do, and keep what arrives."""
        wanted = [{"event": "*", "schema": "public", "table": "followed"}]
        await self._send(TOPIC, "phx_join", {"config": {"postgres_changes": wanted}})
        beats = asyncio.create_task(self._beat())
        try:
            async for frame in self._socket:
                self._take(json.loads(frame))
        finally:
            beats.cancel()

    async def has_seen(self, number: int, beginnings: int) -> bool:
        """Wait until a row was seen; False once the subscription has begun more often than that:
        what was written before may be lost to it."""
        while number not in self.seen and self.activations == beginnings:
            self._changed.clear()
            await self._changed.wait()
        return number in self.seen

    async def activated(self, times: int) -> None:
        """Wait until the server has said so many times that the subscription is active."""
        while self.activations < times:
            self._changed.clear()
            await self._changed.wait()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(15)
            await self._send("phoenix", "heartbeat", {})

    async def _send(self, topic: str, event: str, payload: object) -> None:
        fields = ("1", "1", topic, event, payload)
        named = dict(zip(("join_ref", "ref", "topic", "event", "payload"), fields, strict=True))
        await self._socket.send(json.dumps(named if self._vsn == "1.0.0" else fields))

    def _take(self, frame: Any) -> None:
        event, payload = (
            (frame["event"], frame["payload"]) if self._vsn == "1.0.0" else (frame[3], frame[4])
        )
        if event == "postgres_changes":
            self.seen.append(payload["data"]["record"]["n"])
        elif event == "system" and payload["message"] == ACTIVE:
            self.activations += 1
        self._changed.set()


@pytest.fixture
def stack() -> Iterator[LiveStack]:
    folder = Path(tempfile.mkdtemp(prefix="gv", dir="/tmp"))
    folder.chmod(0o755)
    stack = LiveStack(folder)
    stack.up()
    yield stack
    stack.gavan("down", "--force")
    shutil.rmtree(folder, ignore_errors=True)


async def insert(url: str, number: int) -> None:
    """Insert one row, as soon as Postgres takes it; a row whose commit was lost is not doubled."""
    while True:
        with suppress(psycopg.OperationalError):
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
                await connection.execute(
                    "insert into followed values (%s) on conflict do nothing", [number]
                )
                return
        await asyncio.sleep(0.05)


async def until_heard(followers: Sequence[Follower], url: str, written: Iterator[int]) -> None:
    """Write a row that everybody hears; another one for every beginning in between."""
    while True:
        number = next(written)
        begun = [(follower, follower.activations) for follower in followers]
        await insert(url, number)
        if all([await follower.has_seen(number, times) for follower, times in begun]):
            return


async def test_sockets_outlive_postgres_and_hear_every_later_change_once(stack: LiveStack) -> None:
    environment = stack.gavan("status", "-o", "env")["data"]
    database, key = environment["DB_URL"], environment["ANON_KEY"]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table followed (n int primary key)")
        connection.execute("grant select on followed to anon")
        connection.execute("alter publication supabase_realtime add table followed")
    address = f"ws://127.0.0.1:{stack.ports[1]}/realtime/v1/websocket?apikey={key}&vsn="
    async with (
        connect(address + "1.0.0") as old,
        connect(address + "2.0.0") as new,
        asyncio.timeout(DEADLINE_S * (KILLS + 1)),
    ):
        followers = [Follower(old, "1.0.0"), Follower(new, "2.0.0")]
        running = [asyncio.create_task(follower.run()) for follower in followers]
        await asyncio.gather(*(follower.activated(1) for follower in followers))
        written = itertools.count()
        for kill in range(KILLS + 1):
            await until_heard(followers, database, written)
            if kill < KILLS:
                postgres = await asyncio.to_thread(stack.pid, "postgres")
                before = [follower.activations for follower in followers]
                os.kill(postgres, signal.SIGKILL)
                for follower, times in zip(followers, before, strict=True):
                    await follower.activated(times + 1)
        assert not any(task.done() for task in running), "a socket was closed"
    for follower in followers:
        assert follower.seen == sorted(set(follower.seen)), "a row was heard twice"
    await asyncio.gather(*running, return_exceptions=True)
