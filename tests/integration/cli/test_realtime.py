"""`gavan realtime watch`: what clients hear, in a terminal."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gavan.secrets.keys import load_or_create_keys
from gavan.stack.load import load
from tests.cli_stack import LiveStack
from tests.servers import wait_until

Watch = Callable[..., "Watching"]
ANN = "11111111-1111-4111-8111-111111111111"
BOB = "22222222-2222-4222-8222-222222222222"
SCHEMA = """
create table public.card (id int primary key, owner uuid, title text);
create table public.hidden (id int primary key);
create table public.bare (id int);
alter publication supabase_realtime add table public.bare;
alter table public.card enable row level security;
create policy own on public.card using (owner = auth.uid());
grant select on public.card to authenticated;
alter publication supabase_realtime add table public.card;
"""


@pytest.fixture(scope="module")
def live() -> Iterator[LiveStack]:
    folder = Path(tempfile.mkdtemp(prefix="gv", dir="/tmp"))
    folder.chmod(0o755)
    stack = LiveStack(folder, 'services = ["realtime"]\n')
    try:
        stack.up()
        with psycopg.connect(stack.url(), autocommit=True) as connection:
            connection.execute(SCHEMA.encode())
        yield stack
    finally:
        stack.gavan("down", "--force")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def watch(live: LiveStack) -> Iterator[Watch]:
    """Begin to watch; what still runs when the test is over is ended."""
    begun: list[Watching] = []

    def begin(*argv: str) -> Watching:
        begun.append(Watching(live, *argv))
        return begun[-1]

    yield begin
    for one in begun:
        one.process.kill()
        one.end()


class Watching:
    """A verb that runs; its lines as they come, and what it says beside them."""

    def __init__(self, live: LiveStack, *argv: str) -> None:
        self.process = live.start("realtime", "watch", *argv)
        self.said: list[str] = []
        self.lines: list[str] = []
        self._threads = [
            threading.Thread(target=self._collect, args=(self.process.stdout, self.lines)),
            threading.Thread(target=self._collect, args=(self.process.stderr, self.said)),
        ]
        for thread in self._threads:
            thread.start()

    def await_word(self, word: str) -> None:
        wait_until(lambda: any(word in line for line in self.said) or self._is_over())
        assert any(word in line for line in self.said), self.said

    def end(self) -> int:
        code = self.process.wait(60)
        for thread in self._threads:
            thread.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return code

    def _is_over(self) -> bool:
        return self.process.poll() is not None

    @staticmethod
    def _collect(stream: Any, into: list[str]) -> None:
        for line in stream:
            into.append(line.rstrip())


def test_whoever_watches_a_table_that_cannot_be_written_is_told_so(watch: Watch) -> None:
    watch("bare").await_word('UPDATE and DELETE of "public"."bare" fail')


def test_changes_of_a_table_are_printed_as_they_commit(live: LiveStack, watch: Watch) -> None:
    watching = watch("card", "--count", "3")
    watching.await_word("Subscribed to PostgreSQL")
    with psycopg.connect(live.url(), autocommit=True) as connection:
        # A row that is gone when its change is judged is not announced: one after the other.
        connection.execute("insert into card values (1, %s, 'первая')", (ANN,))
        wait_until(lambda: len(watching.lines) == 1)
        connection.execute("update card set title = 'second' where id = 1")
        wait_until(lambda: len(watching.lines) == 2)
        connection.execute("delete from card where id = 1")
    assert watching.end() == 0
    kinds = [line.split()[1] for line in watching.lines]
    assert kinds == ["INSERT", "UPDATE", "DELETE"]
    assert '"title":"первая"' in watching.lines[0]


def test_a_viewer_sees_what_policies_show(live: LiveStack, watch: Watch) -> None:
    watching = watch("card", "--as", BOB, "--count", "1", "--json")
    watching.await_word("Subscribed to PostgreSQL")
    with psycopg.connect(live.url(), autocommit=True) as connection:
        connection.execute("insert into card values (2, %s, 'hers'), (3, %s, 'his')", (ANN, BOB))
    assert watching.end() == 0
    heard = json.loads(watching.lines[0])
    assert heard["event"] == "postgres_changes"
    assert heard["payload"]["data"]["record"]["title"] == "his"


def test_what_is_said_on_a_topic_is_printed(live: LiveStack, watch: Watch) -> None:
    watching = watch("--topic", "room", "--count", "2")
    wait_until(lambda: bool(watching.lines))
    assert "presence_state" in watching.lines[0]
    keys = load_or_create_keys(load(live.root / "gavan.toml").stack)
    body = {"messages": [{"topic": "room", "event": "e", "payload": {"n": 1}}]}
    request = urllib.request.Request(
        f"http://127.0.0.1:{live.ports[1]}/realtime/v1/api/broadcast",
        json.dumps(body).encode(),
        {"apikey": keys.secret_key.reveal(), "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 202
    assert watching.end() == 0
    assert '"payload":{"n":1}' in watching.lines[1]


@pytest.mark.parametrize(
    ("argv", "code", "word"),
    [
        (["hidden"], 1, "GV250"),
        (["nothing"], 1, "GV250"),
        ([], 2, "GV105"),
        (["card", "--topic", "x"], 2, "GV105"),
        (["card", "--as", "somebody"], 2, "GV105"),
    ],
)
def test_what_cannot_be_watched_is_said(
    live: LiveStack, watch: Watch, argv: list[str], code: int, word: str
) -> None:
    watching = watch(*argv)
    assert watching.end() == code
    assert any(word in line for line in watching.said), watching.said


def test_the_watch_goes_on_after_a_restart_of_the_core(live: LiveStack, watch: Watch) -> None:
    watching = watch("card", "--count", "1")
    watching.await_word("Subscribed to PostgreSQL")
    said = len(watching.said)
    live.gavan("restart", "core")
    wait_until(lambda: any("Subscribed" in line for line in watching.said[said:]))
    with psycopg.connect(live.url(), autocommit=True) as connection:
        connection.execute("insert into card values (9, %s, 'after')", (ANN,))
    assert watching.end() == 0
    assert '"id":9' in watching.lines[0]
