"""Closing a connection while it is used: its statement fails, no stranger's socket is harmed."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from gavan.database.closing import close_in_use
from tests.conftest import Database
from tests.sockets import is_heard_at


async def test_a_statement_that_runs_fails_and_lets_go_of_its_own_socket_alone(
    database: Database,
) -> None:
    connection = await psycopg.AsyncConnection.connect(database.url(), autocommit=True)
    number = connection.fileno()
    running = asyncio.create_task(connection.execute("select pg_sleep(60)"))
    await asyncio.sleep(0)  # now psycopg waits on the socket
    assert connection.lock.locked()
    await close_in_use(connection)
    assert connection.closed
    async with is_heard_at(number):
        with pytest.raises(psycopg.OperationalError):
            await running


async def test_an_idle_connection_is_closed_and_closing_it_again_is_nothing(
    database: Database,
) -> None:
    connection = await psycopg.AsyncConnection.connect(database.url(), autocommit=True)
    for _ in range(2):
        await close_in_use(connection)
        assert connection.closed
