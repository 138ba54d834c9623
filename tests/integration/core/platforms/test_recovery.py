"""The data API alone while its Postgres goes away and comes back."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from os import environ
from pathlib import Path

import httpx
import pytest

from tests.alone import running_alone
from tests.integration.core.platforms.conftest import SCHEMA
from tests.plain_postgres import PlainPostgres, programs_of_the_wheel, running_postgres
from tests.ports import free_port
from tests.servers import wait_until

OPTIONS = {"PGRST_DB_ANON_ROLE": "anon"}


@pytest.fixture
def postgres(place: Callable[[], Path]) -> Iterator[PlainPostgres]:
    root = place()
    with running_postgres(root, programs_of_the_wheel(root)) as server:
        with server.connect() as connection:
            connection.execute(SCHEMA.read_bytes())
        yield server


@pytest.mark.parametrize("channel", ["true", "false"])
def test_it_says_when_to_come_back_and_comes_back_by_itself(
    postgres: PlainPostgres, tmp_path: Path, channel: str
) -> None:
    port = free_port()
    options = {
        **OPTIONS,
        "PGRST_ADMIN_SERVER_PORT": str(port),
        "PGRST_DB_CHANNEL_ENABLED": channel,
    }
    with (
        running_alone(postgres.url("authenticator"), tmp_path / "log", options) as api,
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as admin,
    ):
        assert admin.get("/ready").status_code == 200
        postgres.stop(signal.SIGQUIT)
        wait_until(lambda: api.client.get("/shelf").status_code == 503)
        answer = api.client.get("/shelf")
        assert answer.json()["code"] == "PGRST000"
        assert int(answer.headers["retry-after"]) >= 1
        wait_until(lambda: admin.get("/ready").status_code == 503)
        assert admin.get("/live").status_code == 200
        postgres.start()
        wait_until(lambda: api.client.get("/shelf").status_code == 200)
        wait_until(lambda: admin.get("/ready").status_code == 200)


def test_it_waits_for_a_database_that_is_not_there_yet(
    postgres: PlainPostgres, tmp_path: Path
) -> None:
    postgres.stop()
    url = postgres.url("authenticator")
    with running_alone(url, tmp_path / "log", OPTIONS, awaited="") as api:
        wait_until(lambda: _status(api.client) == 503)
        answer = api.client.get("/shelf")
        assert answer.json()["code"] == "PGRST002"
        assert int(answer.headers["retry-after"]) >= 1
        postgres.start()
        wait_until(lambda: api.client.get("/shelf").json() == [{"id": 1, "name": "top"}], 60)


def test_schema_changes_made_while_it_was_away_are_known_afterwards(
    postgres: PlainPostgres, tmp_path: Path
) -> None:
    with running_alone(postgres.url("authenticator"), tmp_path / "log", OPTIONS) as api:
        postgres.stop()
        postgres.start()
        with postgres.connect() as connection:
            connection.execute("create table app.fresh (id int); grant select on app.fresh to anon")
        wait_until(lambda: api.client.get("/fresh").status_code == 200)


def test_without_automatic_recovery_it_leaves_that_to_its_supervisor(
    postgres: PlainPostgres, tmp_path: Path
) -> None:
    port = free_port()
    variables = {
        **OPTIONS,
        "PATH": environ["PATH"],
        "PGRST_DB_URI": postgres.url("authenticator"),
        "PGRST_DB_SCHEMAS": "app",
        "PGRST_SERVER_PORT": str(port),
        "PGRST_DB_POOL_AUTOMATIC_RECOVERY": "false",
    }
    argv = [sys.executable, "-m", "gavan", "core", "--services", "rest"]
    log = tmp_path / "log"
    with log.open("w") as stream:
        process = subprocess.Popen(argv, env=variables, stdout=stream, stderr=stream)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            wait_until(lambda: _status(client) == 200)
        postgres.stop()
        assert process.wait(60) == 1, log.read_text()
    finally:
        process.kill()
        process.wait()
    # Nor does it wait at the start.
    done = subprocess.run(argv, env=variables, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stdout + done.stderr


def _status(client: httpx.Client) -> int | None:
    try:
        return client.get("/shelf").status_code
    except httpx.TransportError:
        return None
