"""The data API alone: where it listens, what it logs, its admin server and its pool."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.alone import Alone, running_alone
from tests.conftest import Database
from tests.ports import free_port
from tests.servers import wait_until

SCHEMA = """
create schema app;
create table app.item (id int primary key);
insert into app.item values (1);
create function app.pid() returns int language sql as 'select pg_backend_pid()';
create function app.nap() returns void language sql as 'select pg_sleep(600)';
create function app.fail() returns void language plpgsql as
    $$ begin raise sqlstate 'PT500' using message = 'broken'; end $$;
grant usage on schema app to anon;
grant select on app.item to anon;
"""


@contextmanager
def alone(database: Database, folder: Path, **options: str) -> Iterator[Alone]:
    with database.connect() as connection:
        connection.execute(SCHEMA.encode())
    given = {"PGRST_DB_ANON_ROLE": "anon"}
    given |= {f"PGRST_{name.upper()}": value for name, value in options.items()}
    log, url = folder / "log", database.url("authenticator")
    awaited = "" if "server_unix_socket" in options else "/"
    with running_alone(url, log, given, awaited=awaited) as running:
        yield running


def test_the_admin_server_tells_of_life_readiness_schema_and_figures(
    database: Database, tmp_path: Path
) -> None:
    port = str(free_port())
    with (
        alone(database, tmp_path, admin_server_port=port) as api,
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as admin,
    ):
        api.client.get("/item")
        assert [admin.get(path).status_code for path in ("/live", "/ready")] == [200, 200]
        tables = admin.get("/schema_cache").json()["tables"]
        assert {"schema": "app", "name": "item"} in [table["name"] for table in tables]
        metrics = admin.get("/metrics")
        assert metrics.headers["content-type"].startswith("text/plain")
        assert 'pgrst_schema_cache_loads_total{status="SUCCESS"} 1' in metrics.text
        assert "pgrst_db_pool_max 10" in metrics.text
        assert "pgrst_db_pool_available 1" in metrics.text
        # The API has no such paths, and the admin server none of the API's or with secrets.
        assert api.client.get("/ready").status_code == 404
        assert [admin.get(path).status_code for path in ("/item", "/config", "/")] == [404] * 3


def test_it_listens_on_a_unix_socket_that_only_some_may_use(database: Database) -> None:
    with _short_folder() as folder:
        path = folder / "api.sock"
        left_behind = socket.socket(socket.AF_UNIX)
        left_behind.bind(str(path))
        left_behind.close()
        options = {"server_unix_socket": str(path), "server_unix_socket_mode": "620"}
        options["admin_server_unix_socket"] = str(folder / "admin.sock")
        with alone(database, folder, **options):
            wait_until(lambda: _accepts(path))
            with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
                assert client.get("http://x/item").json() == [{"id": 1}]
            assert stat.S_IMODE(path.stat().st_mode) == 0o620
            assert stat.S_IMODE((folder / "admin.sock").stat().st_mode) == 0o660
        assert list(folder.glob("*.sock")) == []


@contextmanager
def _short_folder() -> Iterator[Path]:
    # The kernel caps the path of a socket at 107 bytes; pytest's own folders are longer.
    with tempfile.TemporaryDirectory(prefix="gu-") as name:
        yield Path(name)


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@pytest.mark.parametrize("host", ["*", "*4", "!4", "*6"])
def test_the_hosts_with_a_meaning_take_ipv4(database: Database, tmp_path: Path, host: str) -> None:
    with alone(database, tmp_path, server_host=host) as api:
        assert api.client.get("/item").json() == [{"id": 1}]


def test_only_what_broke_is_logged_unless_told_otherwise(
    database: Database, tmp_path: Path
) -> None:
    with alone(database, tmp_path) as api:
        for url in ("/item", "/nowhere", "/rpc/fail"):
            api.client.get(url)
    told = (tmp_path / "log").read_text()
    assert [status for status in (200, 404, 500) if f'"status":{status}' in told] == [500]


def test_a_request_waits_for_a_connection_as_long_as_it_is_told(
    database: Database, tmp_path: Path
) -> None:
    options = {"db_pool": "1", "db_pool_acquisition_timeout": "1"}
    with alone(database, tmp_path, **options) as api:
        url = str(api.client.base_url)
        nap = threading.Thread(target=lambda: _forget(f"{url}/rpc/nap"))
        nap.start()
        wait_until(lambda: _naps(database) == 1)
        answer = api.client.get("/item")
        assert (answer.status_code, answer.json()["code"]) == (504, "PGRST003")
        with database.connect("supabase_admin") as connection:
            connection.execute(
                "select pg_cancel_backend(pid) from pg_stat_activity where query ~ 'app.*nap'"
                " and pid <> pg_backend_pid()"
            )
        nap.join(60)


def _forget(url: str) -> None:
    httpx.post(url, timeout=60)


def _naps(database: Database) -> int:
    with database.connect("supabase_admin") as connection:
        found = connection.execute(
            "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"
            " and datname = current_database()"
        ).fetchone()
    return int(found[0]) if found else 0


def test_connections_live_as_long_as_they_are_told(database: Database, tmp_path: Path) -> None:
    with alone(database, tmp_path, db_pool_max_idletime="1") as api:
        first = api.client.get("/rpc/pid").json()
        # No request in between: one that is used is not idle.
        wait_until(lambda: not _backend_is_there(database, first))
        assert api.client.get("/rpc/pid").json() != first


def _backend_is_there(database: Database, pid: int) -> bool:
    with database.connect("supabase_admin") as connection:
        found = connection.execute("select from pg_stat_activity where pid = %s", (pid,))
        return found.fetchone() is not None


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PGRST_LOG_LEVEL", "loud", "PGRST_LOG_LEVEL is none of"),
        ("PGRST_DB_POOL_MAX_LIFETIME", "ever", "PGRST_DB_POOL_MAX_LIFETIME is not a number"),
        ("PGRST_ADMIN_SERVER_PORT", "3000", "cannot have the port of the API"),
        ("PGRST_SERVER_UNIX_SOCKET", "/nowhere/b.sock", "cannot listen on /nowhere/b.sock"),
        ("PGRST_ADMIN_SERVER_UNIX_SOCKET", "/nowhere/a.sock", "cannot listen on /nowhere/a.sock"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_at_the_start(name: str, value: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gavan", "core", "--services", "rest"],
        env={"PATH": os.environ["PATH"], "PGRST_DB_URI": "postgres://nobody@127.0.0.1:1/x"}
        | {name: value},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
