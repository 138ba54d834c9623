"""A durable slot while all of Postgres is killed: every committed row is heard, each one once."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from gavan.core.realtime.app import build
from gavan.core.realtime.limits import Limits
from gavan.database.bootstrap import bootstrap
from gavan.database.embedded import ADMIN, Server, ServerSpec, passwords_by_role, prepare_server
from tests.conftest import Cluster, Database
from tests.integration.core.realtime.conftest import serving, settings_of
from tests.integration.core.realtime.following import change, follow, table
from tests.ports import free_port
from tests.servers import random_passwords, running

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120)]

SCHEMA = """
create table public.entry (id int primary key);
alter publication supabase_realtime add table public.entry;
"""


@pytest.fixture
def server() -> Iterator[Server]:
    root = Path(tempfile.mkdtemp(prefix="gv-"))
    root.chmod(0o755)
    spec = ServerSpec(
        name="kill",
        root=root,
        state_dir=root / ".gavan",
        port=free_port(),
        database="postgres",
        max_connections=30,
        settings={"fsync": "off"},  # a process dies, not the machine
    )
    keys = random_passwords()
    server = prepare_server(spec, keys, create_user=True)
    with running(server, root / "first.log"):
        bootstrap(server.url(ADMIN), passwords_by_role(keys))
    yield server
    shutil.rmtree(root)


def kill(server: Server) -> None:
    """End the postmaster without a word; wait for it and its orphans."""
    postmaster = psutil.Process(int((server.data_dir / "postmaster.pid").read_text().split()[0]))
    everybody = [postmaster, *postmaster.children(recursive=True)]
    postmaster.kill()
    assert psutil.wait_procs(everybody, timeout=60)[1] == []


async def write_until_killed(database: Database) -> None:
    with suppress(psycopg.OperationalError):
        async with await psycopg.AsyncConnection.connect(
            database.url(), autocommit=True
        ) as connection:
            for number in itertools.count():
                await connection.execute("insert into entry values (%s)", (number,))


async def test_rows_heard_before_and_after_a_crash_are_those_committed(server: Server) -> None:
    database = Database(Cluster(server), "postgres")
    log = server.data_dir.parent
    limits = Limits(is_durable=True, rejoin_s=0)
    # Servers end after the service: a Postgres that stops waits for those who read its slots.
    with ExitStack() as servers:
        servers.enter_context(running(server, log / "second.log"))
        with database.connect() as connection:
            connection.execute(SCHEMA.encode())
        async with serving(build(settings_of(database), limits=limits)) as service:
            client = await service.client()
            await follow(client, table("entry"))
            writing = asyncio.create_task(write_until_killed(database))
            heard = [(await change(client))["record"]["id"] for _ in range(100)]
            await asyncio.to_thread(kill, server)
            await writing
            servers.enter_context(running(server, log / "third.log"))
            with database.connect() as connection:
                connection.execute("insert into entry values (-1)")
                rows = connection.execute("select id from entry where id >= 0 order by id")
                committed = [row[0] for row in rows]
            while heard[-1] != -1:
                heard.append((await change(client))["record"]["id"])
            assert heard == [*committed, -1]
            assert await client.rest("postgres_changes") == []
