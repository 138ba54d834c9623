"""Thousands of clients that keep their connections, and more than there are files to open."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.alone import Alone, running_alone
from tests.conftest import Database
from tests.servers import wait_until

OPTIONS = {"PGRST_DB_ANON_ROLE": "anon"}
SCHEMA = """
create schema app;
create table app.item (id int primary key);
insert into app.item values (1);
grant usage on schema app to anon;
grant select on app.item to anon;
"""
REQUEST = b"HEAD /item?id=eq.1 HTTP/1.1\r\nhost: x\r\n\r\n"
IDLE = 900
"""The test itself has a thousand files by default; bench/rest measures ten thousand"""

Connect = Callable[[Alone], socket.socket]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Return a function that connects; every connection is closed after the test."""
    with ExitStack() as stack:

        def opened(api: Alone) -> socket.socket:
            made = socket.create_connection(("127.0.0.1", api.port), timeout=60)
            return stack.enter_context(made)

        yield opened


def status(client: socket.socket) -> int:
    """Ask on a connection and return the status; 0 when it is closed without a word."""
    try:
        client.sendall(REQUEST)
        answer = client.recv(65536)
    except ConnectionError:
        return 0
    return int(answer[9:12]) if answer else 0


def served(database: Database) -> str:
    with database.connect() as connection:
        connection.execute(SCHEMA.encode())
    return database.url("authenticator")


def test_idle_connections_cost_little_and_keep_nobody_waiting(
    database: Database, tmp_path: Path, connect: Connect
) -> None:
    # The soft limit is too low for them: the process raises it by itself.
    limits = (256, 4096)
    with running_alone(served(database), tmp_path / "log", OPTIONS, open_files=limits) as api:
        process = psutil.Process(api.pid)
        before = process.memory_info().rss
        clients = [connect(api) for _ in range(IDLE)]
        assert {status(client) for client in clients} == {200}
        assert (process.memory_info().rss - before) / IDLE < 40_000
        assert process.num_fds() > IDLE
        assert status(connect(api)) == 200
        assert {status(client) for client in clients[::100]} == {200}


def test_clients_beyond_the_limit_are_told_so_and_harm_nobody(
    database: Database, tmp_path: Path, connect: Connect
) -> None:
    limits = (300, 300)
    with running_alone(served(database), tmp_path / "log", OPTIONS, open_files=limits) as api:
        room = 300 - 128
        wait_until(lambda: psutil.Process(api.pid).num_fds() < 128)
        clients = [connect(api) for _ in range(room)]
        assert {status(client) for client in clients} == {200}
        more = [connect(api) for _ in range(20)]
        # Sent away before they ask: the answer may meet a question that is already on its way.
        assert {status(client) for client in more} <= {503, 0}
        answer = connect(api).recv(65536)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in answer
        assert api.said("connections.full")
        assert {status(client) for client in clients} == {200}
        for client in clients[:30]:
            client.close()
        wait_until(lambda: status(connect(api)) == 200)
