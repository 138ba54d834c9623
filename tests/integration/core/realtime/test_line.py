"""The line between processes: it breaks, is closed and given up midway, and harms nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import psycopg
import pytest

from gavan.core.realtime.cluster.bus import TOGETHER, Bus
from gavan.core.realtime.cluster.line import Line
from tests.conftest import Database
from tests.integration.core.realtime.wire import DEADLINE_S
from tests.sockets import is_heard_at

CHANNEL = "between"
LONG = "select pg_sleep(60)"


@dataclass
class Heard:
    """What came over a line, and whether it was lost."""

    texts: list[str] = field(default_factory=list)
    some: asyncio.Event = field(default_factory=asyncio.Event)
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, text: str) -> None:
        self.texts.append(text)
        self.some.set()


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
async def line(database: Database, heard: Heard) -> AsyncIterator[Line]:
    url = database.url("supabase_admin")
    made = await Line.open(url, CHANNEL, heard.take, heard.lost.set)
    yield made
    await made.close()


async def wait(event: asyncio.Event) -> None:
    async with asyncio.timeout(DEADLINE_S):
        await event.wait()


def say(database: Database, text: str) -> None:
    with database.connect() as other:
        other.execute("select pg_notify(%s, %s)", (CHANNEL, text))


async def until_it_runs(database: Database) -> None:
    """Wait for the server: what is given up before it has begun is not cancelled there."""
    question = "select from pg_stat_activity where state = 'active' and query = %s"
    with database.connect("supabase_admin") as admin:
        async with asyncio.timeout(DEADLINE_S):
            while not admin.execute(question, (LONG,)).rowcount:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.01)


async def test_a_line_that_broke_leaves_the_socket_alone_that_has_its_number_now(
    database: Database, line: Line, heard: Heard
) -> None:
    number = line._socket
    with database.connect("supabase_admin") as admin:
        admin.execute("select pg_terminate_backend(%s)", (line._connection.info.backend_pid,))
    await wait(heard.lost)
    async with is_heard_at(number):
        with pytest.raises(psycopg.OperationalError):
            await line.say(["too late"])
        await line.close()


async def test_a_line_that_is_closed_while_it_speaks_leaves_no_watch_behind(
    line: Line, heard: Heard
) -> None:
    number = line._socket
    speaking = asyncio.create_task(line._run(LONG, ()))
    await asyncio.sleep(0)
    await line.close()
    async with is_heard_at(number):
        with pytest.raises(psycopg.OperationalError):
            await speaking
    assert not heard.lost.is_set(), "it was closed, not lost"


async def test_a_line_hears_on_after_a_statement_was_given_up(
    database: Database, line: Line, heard: Heard
) -> None:
    speaking = asyncio.create_task(line._run(LONG, ()))
    await until_it_runs(database)
    speaking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await speaking
    say(database, "hello")
    await wait(heard.some)
    assert heard.texts == ["hello"]


async def test_a_line_that_fails_gives_its_lock_away_at_once(
    database: Database, line: Line, heard: Heard
) -> None:
    assert await line.try_lock()
    with pytest.raises(psycopg.OperationalError):  # the server says no, but the connection stands
        await line._run("do $$ begin raise sqlstate '57014'; end $$", ())
    assert heard.lost.is_set()
    other = await Line.open(database.url("supabase_admin"), CHANNEL, heard.take, heard.lost.set)
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not await other.try_lock():  # noqa: ASYNC110 - another process lets go of it
                await asyncio.sleep(0.01)
    finally:
        await other.close()


async def test_all_that_was_said_is_sent_before_the_end(
    database: Database, line: Line, heard: Heard
) -> None:
    up = asyncio.Event()
    bus = Bus(database.url("supabase_admin"), CHANNEL, lambda *_: None, up.set, lambda: None)
    bus.start()
    await wait(up)
    count = 3 * TOGETHER
    for number in range(count):
        bus.say({"n": number})
    await bus.stop()
    async with asyncio.timeout(DEADLINE_S):
        while len(heard.texts) < count:  # noqa: ASYNC110 - they come one by one
            await asyncio.sleep(0.01)
