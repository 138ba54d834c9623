"""The pool through kill -9 of Postgres during writes: no confirmed row is lost, it heals itself."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from gavan.database.bootstrap import bootstrap
from gavan.database.embedded import ADMIN, Server, ServerSpec, passwords_by_role, prepare_server
from gavan.database.identity import demote
from gavan.database.pool import Pool, Times
from gavan.database.session import DatabaseError, Session, Statement
from tests.ports import free_port
from tests.servers import random_passwords, wait_until

WRITER = Session(role="service_role")
INSERT = Statement(text="insert into note default values returning id")


class Postgres:
    """A server of this test's own, which may be killed."""

    def __init__(self, server: Server, log: Path) -> None:
        self.server = server
        self._log = log
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as stream:
            self.process = subprocess.Popen(
                self.server.argv,
                env=dict(self.server.env),
                stdout=stream,
                stderr=stream,
                **(demote(self.server.user) if self.server.user else {}),  # type: ignore[call-overload]
            )
        return self.process

    def kill(self) -> None:
        """Kill the postmaster and its children: each backend leads a process group of its own."""
        if self.process.poll() is not None:
            return
        parent = psutil.Process(self.process.pid)
        family = [*parent.children(recursive=True), parent]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(60)
        wait_until(lambda: not any(_is_alive(process) for process in family))


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    root = Path(tempfile.mkdtemp(prefix="gr-"))
    root.chmod(0o755)
    keys = random_passwords()
    spec = ServerSpec(
        name="restart",
        root=root,
        state_dir=root / ".gavan",
        port=free_port(),
        database="postgres",
        max_connections=20,
        settings={"fsync": "off"},  # the machine stays up: what is written is kept
    )
    made = Postgres(prepare_server(spec, keys, create_user=True), root / "postgres.log")
    try:
        wait_until(made.server.is_ready)
        bootstrap(made.server.url(ADMIN), passwords_by_role(keys))
        yield made
    finally:
        made.kill()
        shutil.rmtree(root, ignore_errors=True)


async def test_confirmed_rows_survive_and_writers_come_back(postgres: Postgres) -> None:
    with psycopg.connect(postgres.server.url("postgres").reveal(), autocommit=True) as connection:
        connection.execute("create table note (id int primary key generated always as identity)")
    pool = Pool(postgres.server.url("authenticator"), size=4)
    await pool.open()
    confirmed: set[int] = set()
    failures: set[str] = set()
    is_over = asyncio.Event()

    async def write() -> None:
        while not is_over.is_set():
            try:
                rows = await pool.run(WRITER, INSERT)
            except DatabaseError as error:
                failures.add(error.sqlstate)
                await asyncio.sleep(0.005)
            else:
                confirmed.add(int(rows.values[0][0] or 0))

    async def grown_by(count: int) -> None:
        wanted = len(confirmed) + count
        async with asyncio.timeout(60):
            while len(confirmed) < wanted:  # noqa: ASYNC110 - other tasks write it
                await asyncio.sleep(0.005)

    writers = [asyncio.create_task(write()) for _ in range(6)]
    await grown_by(200)
    for _ in range(2):
        postgres.kill()
        postgres.start()
        await grown_by(200)
    is_over.set()
    await asyncio.gather(*writers)
    await pool.close()
    with psycopg.connect(postgres.server.url("postgres").reveal()) as connection:
        kept = {row[0] for row in connection.execute("select id from note").fetchall()}
    assert confirmed <= kept
    assert failures <= {"08001", "08006", "57P01", "57P02", "57P03"}
    assert failures


async def test_a_reader_waits_out_nothing_while_the_server_is_down(postgres: Postgres) -> None:
    pool = Pool(postgres.server.url("authenticator"), size=2)
    await pool.open()
    reader = Session(role="anon", read_only=True)
    one = Statement(text="select 1")
    await pool.run(reader, one)
    postgres.kill()
    with pytest.raises(DatabaseError) as caught:
        await pool.run(reader, one)
    assert caught.value.sqlstate in {"08001", "08006"}
    postgres.start()
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(DatabaseError):
                assert (await pool.run(reader, one)).values == [(b"1",)]
                break
            await asyncio.sleep(0.02)
    await pool.close()


async def test_everybody_in_line_learns_that_the_server_is_down(postgres: Postgres) -> None:
    pool = Pool(postgres.server.url("authenticator"), size=1, times=Times(acquire_s=60))
    await pool.open()
    slow = Statement(text="select pg_sleep(60)")
    line = [asyncio.create_task(pool.run(WRITER, slow)) for _ in range(20)]
    await asyncio.sleep(0)
    postgres.kill()
    async with asyncio.timeout(30):
        results = await asyncio.gather(*line, return_exceptions=True)
    assert all(isinstance(result, DatabaseError) for result in results)
    await pool.close()
