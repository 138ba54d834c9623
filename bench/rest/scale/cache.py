"""A schema of a thousand tables: how long its cache takes to load and how much memory it holds."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg

from bench.rest.scale.figures import Figure, rss_mb
from bench.rest.servers import gavan_environ, start_gavan
from gavan.core.rest.config import config_from
from gavan.core.rest.schema_load import load_snapshot
from gavan.core.settings import read_settings
from gavan.database.embedded import Server
from tests.ports import free_port
from tests.servers import wait_until

TABLES = 1000
COLUMNS = 20
LOADS = 5
BATCH = 100
LOAD_GOAL_S = 1.0
MEMORY_GOAL_MB = 60.0
TYPES = ("text", "bigint", "numeric(12,2)", "boolean", "timestamptz", "jsonb", "uuid", "date")
LOADED = '"event":"schema.loaded"'


def measure_cache(server: Server, folder: Path, tables: int = TABLES) -> list[Figure]:
    """Fill the schema ``public`` with tables, each with a key to the one before it.

    Memory is the difference of two fresh processes, with and without these tables.
    """
    probe = "create table item (id bigint primary key)"  # what tells that a server is up
    with psycopg.connect(server.url("postgres").reveal(), autocommit=True) as connection:
        connection.execute(probe)
        with start_gavan(server, folder) as target:
            empty_mb = rss_mb(target.process)
        for statement in _tables(tables):
            connection.execute(statement)
        times = asyncio.run(_load(server))
        with start_gavan(server, folder) as target:
            full_mb = rss_mb(target.process)
            log = folder / f"{target.name}.log"
            for number in range(LOADS):
                # A schema that is as it was is not built anew.
                connection.execute(f"alter table item add column added_{number} bigint")
                wait_until(partial(_has_loaded, log, number + 2))
            reloaded_mb = rss_mb(target.process)
    size = f"schema cache of {tables} tables x {COLUMNS} columns"
    return [
        Figure(name=f"{size}: load", value=statistics.median(times), unit="s", goal=LOAD_GOAL_S),
        Figure(
            name=f"{size}: memory",
            value=full_mb - empty_mb,
            unit="MB",
            goal=MEMORY_GOAL_MB,
        ),
        Figure(name=f"the same after {LOADS} reloads", value=reloaded_mb - empty_mb, unit="MB"),
    ]


def _has_loaded(log: Path, times: int) -> bool:
    return log.read_text(errors="replace").count(LOADED) >= times


def _tables(count: int) -> Iterator[str]:
    """Yield the statements, some tables each: every table takes locks until its commit."""
    columns = ", ".join(
        f"column_{number} {TYPES[number % len(TYPES)]}" for number in range(COLUMNS - 2)
    )
    made = [
        f"create table table_{number} (id bigint primary key,"
        f" parent_id bigint references {f'table_{number - 1}' if number else 'item'} (id),"
        f" {columns})"
        for number in range(count)
    ]
    for first in range(0, count, BATCH):
        yield "; ".join(made[first : first + BATCH])


async def _load(server: Server) -> list[float]:
    """Return the seconds of each of several loads in this process."""
    settings = read_settings(gavan_environ(server, free_port()))
    base = config_from(settings)
    times = []
    url = settings.authenticator_url.reveal()
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        for _ in range(LOADS):
            began = time.perf_counter()
            await load_snapshot(connection, base)
            times.append(time.perf_counter() - began)
    return times
