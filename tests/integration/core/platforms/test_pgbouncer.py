"""The data API alone behind PgBouncer in transaction mode: connections change hands."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from gavan.database.identity import demote, give
from gavan.kit.jwt import sign
from gavan.kit.secret import Secret
from tests.alone import Alone, running_alone
from tests.conftest import JWT_SECRET
from tests.integration.core.platforms.conftest import SCHEMA
from tests.plain_postgres import PlainPostgres, programs_of_the_wheel, running_postgres
from tests.ports import free_port
from tests.servers import wait_until

FUNCTIONS = """
create function app.me() returns text language sql stable
    as $$ select current_setting('request.jwt.claims', true)::json ->> 'sub' $$;
create function app.names() returns setof text language sql
    as 'select name from pg_prepared_statements';
"""
DOCUMENTED = {"PGRST_DB_PREPARED_STATEMENTS": "false", "PGRST_DB_CHANNEL_ENABLED": "false"}
OPTIONS = {"PGRST_DB_ANON_ROLE": "anon", "PGRST_JWT_SECRET": JWT_SECRET, "PGRST_DB_POOL": "8"}
INI = """
[databases]
* = host=127.0.0.1 port={database_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = transaction
default_pool_size = 3
"""


@pytest.fixture(scope="module")
def postgres(place: Callable[[], Path]) -> Iterator[PlainPostgres]:
    root = place()
    with running_postgres(root, programs_of_the_wheel(root)) as server:
        with server.connect() as connection:
            connection.execute(SCHEMA.read_bytes())
            connection.execute(FUNCTIONS.encode())
        yield server


@pytest.fixture(scope="module")
def pooled_url(postgres: PlainPostgres) -> Iterator[str]:
    """The address of the database by way of a PgBouncer with three connections to it."""
    program = shutil.which("pgbouncer", path=os.environ["PATH"] + ":/usr/sbin")
    assert program, "the platform tests need PgBouncer: make programs"
    port = free_port()
    users, ini = postgres.root / "users.txt", postgres.root / "pgbouncer.ini"
    users.write_text('"authenticator" ""\n')
    ini.write_text(INI.format(port=port, database_port=postgres.port, users=users))
    for path in (users, ini):
        give(postgres.account, path)
    with (postgres.root / "pgbouncer.log").open("wb") as log:
        process = subprocess.Popen(
            [program, str(ini)],
            stdout=log,
            stderr=log,
            **demote(postgres.account),  # type: ignore[call-overload]
        )
    url = f"postgresql://authenticator@127.0.0.1:{port}/postgres"
    try:
        wait_until(lambda: _connects(url) or process.poll() is not None)
        assert process.poll() is None, (postgres.root / "pgbouncer.log").read_text()
        yield url
    finally:
        process.terminate()
        process.wait(60)


def _connects(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def ask_as_everybody(api: Alone, rounds: int) -> None:
    """Ask from many sides at once; every answer must be the asker's own and a success."""

    def ask(number: int) -> None:
        claims = {"role": ("anon", "member")[number % 2], "sub": str(number)}
        token = {"authorization": f"Bearer {sign(claims, Secret(JWT_SECRET))}"}
        assert api.client.get("/rpc/me", headers=token).json() == str(number)
        book = api.client.get(f"/book?select=id,author(id)&id=eq.{number % 3 + 1}", headers=token)
        assert [row["id"] for row in book.json()] == [number % 3 + 1]
        columns = ",".join(["id", "title", "pages", "size"][: number % 4 + 1])
        counted = api.client.get(f"/book?select={columns}", headers={"prefer": "count=exact"})
        assert counted.headers["content-range"] == "0-2/3"
        shelf = {"id": 100 + number % 5, "name": f"{number % 5} of many"}
        upsert = {**token, "prefer": "resolution=merge-duplicates,tx=commit"}
        written = api.client.post("/shelf", json=shelf, headers=upsert)
        assert written.status_code in ({200, 201} if number % 2 else {401}), written.text

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(ask, range(rounds)))


def test_the_documented_options_keep_nothing_beyond_a_transaction(
    pooled_url: str, tmp_path: Path
) -> None:
    with running_alone(pooled_url, tmp_path / "log", {**OPTIONS, **DOCUMENTED}) as api:
        ask_as_everybody(api, 80)
        assert api.client.get("/rpc/names").json() == []
        assert not api.said("Traceback")


def test_a_signal_reloads_what_no_notification_can(
    pooled_url: str, postgres: PlainPostgres, tmp_path: Path
) -> None:
    with running_alone(pooled_url, tmp_path / "log", {**OPTIONS, **DOCUMENTED}) as api:
        with postgres.connect() as connection:
            connection.execute("create table app.fresh (id int); grant select on app.fresh to anon")
        assert api.client.get("/fresh").status_code == 404
        os.kill(api.pid, signal.SIGUSR1)
        wait_until(lambda: api.client.get("/fresh").status_code == 200)


def test_a_forgotten_option_costs_time_but_never_mixes_statements(
    pooled_url: str, tmp_path: Path
) -> None:
    with running_alone(pooled_url, tmp_path / "log", OPTIONS) as api:
        ask_as_everybody(api, 80)
        assert not api.said("Traceback")
