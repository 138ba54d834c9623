"""The core as a process: its start, its limits over real sockets, its end."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.conftest import JWT_SECRET, Database
from tests.ports import free_port
from tests.servers import wait_until


class Core:
    """A running core process and where it listens."""

    def __init__(self, environ: dict[str, str], log: Path) -> None:
        self.port = int(environ["GAVAN_CORE_PORT"])
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        self._stream = log.open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gavan.core"],
            env=environ,
            stdout=self._stream,
            stderr=self._stream,
        )

    def answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"{self.url}/health").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> int:
        self.process.terminate()
        code = self.process.wait(60)
        self._stream.close()
        return code

    def raw(self, request: bytes) -> bytes:
        """Send bytes as they are and return the first bytes of the answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(request)
            return connection.recv(65536)


def environment(database: Database, **overrides: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "GAVAN_DB_AUTHENTICATOR_URL": database.url("authenticator"),
        "GAVAN_DB_AUTH_ADMIN_URL": database.url("supabase_auth_admin"),
        "GAVAN_DB_STORAGE_ADMIN_URL": database.url("supabase_storage_admin"),
        "GAVAN_DB_REALTIME_ADMIN_URL": database.url("supabase_realtime_admin"),
        "GAVAN_DB_ADMIN_URL": database.url("supabase_admin"),
        "JWT_SECRET": JWT_SECRET,
        "ANON_KEY": "anon-key-of-a-test",
        "SERVICE_ROLE_KEY": "service-role-key-of-a-test",
        "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_test",
        "SUPABASE_SECRET_KEY": "sb_secret_test",
        "GAVAN_CORE_PORT": str(free_port()),
        "GAVAN_CORE_SERVICES": "auth",
        **overrides,
    }


@pytest.fixture
def core(database: Database, tmp_path: Path) -> Iterator[Core]:
    made = Core(environment(database), tmp_path / "core.log")
    wait_until(made.answers)
    yield made
    made.stop()


def test_it_ends_cleanly_and_tells_each_request_in_one_line(core: Core) -> None:
    httpx.get(f"{core.url}/auth/v1/settings?apikey=sb_secret_test")
    assert core.stop() == 0
    lines = [json.loads(line) for line in core.log.read_text().splitlines()]
    paths = [line["path"] for line in lines if line.get("event") == "request"]
    assert paths.count("/auth/v1/settings") == 1
    assert "sb_secret_test" not in core.log.read_text()


def test_a_request_line_of_16_kib_is_read(core: Core) -> None:
    response = httpx.get(f"{core.url}/auth/v1/settings?x={'y' * 16_384}")
    assert response.status_code == 200


def test_a_body_of_10_mb_is_refused_and_the_next_request_is_fine(core: Core) -> None:
    response = httpx.post(f"{core.url}/auth/v1/signup", content=b"x" * 10_000_000)
    assert response.status_code == 413
    assert httpx.get(f"{core.url}/auth/v1/settings").status_code == 200


def test_a_body_of_untold_length_over_the_limit_is_no_defect(
    database: Database, tmp_path: Path
) -> None:
    limits = {"GAVAN_CORE_SERVICES": "rest,auth", "GAVAN_MAX_BODY_BYTES": "100000"}
    core = Core(environment(database, **limits), tmp_path / "core.log")
    try:
        wait_until(core.answers)
        for path in ("/rest/v1/anything", "/auth/v1/signup"):
            response = httpx.post(core.url + path, content=iter([b"x" * 60_000] * 2))
            assert response.status_code == 413, path
    finally:
        core.stop()
    assert "Traceback" not in core.log.read_text()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\nhost: x\r\nbad\x00header: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_bytes_that_are_no_request_are_refused(core: Core, request_bytes: bytes) -> None:
    answer = core.raw(request_bytes)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"Traceback" not in answer
    assert httpx.get(f"{core.url}/health").status_code == 200


def test_a_header_cannot_forge_another_in_the_answer(core: Core) -> None:
    answer = core.raw(
        b"GET /health HTTP/1.1\r\nhost: x\r\nx-request-id: a\r\n\tx-evil: 1\r\n"
        b"origin: http://a\r\nconnection: close\r\n\r\n"
    )
    assert b"x-evil" not in answer.lower()


def test_a_websocket_where_no_service_listens_is_refused(core: Core) -> None:
    with pytest.raises(InvalidStatus) as caught:
        connect(f"ws://127.0.0.1:{core.port}/realtime/v1/websocket").close()
    assert caught.value.response.status_code == 403


def test_it_starts_while_the_database_is_down(database: Database, tmp_path: Path) -> None:
    nowhere = "postgresql://nobody:secretpassword@127.0.0.1:1/postgres"
    core = Core(environment(database, GAVAN_DB_AUTH_ADMIN_URL=nowhere), tmp_path / "core.log")
    wait_until(core.answers)
    response = httpx.post(
        f"{core.url}/auth/v1/token?grant_type=refresh_token",
        json={"refresh_token": "aaaaaaaaaaaa"},
        timeout=30,
    )
    assert response.status_code == 503
    assert core.stop() == 0
    assert "secretpassword" not in core.log.read_text()


def test_missing_variables_are_all_named(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "gavan.core"],
        env={"PATH": os.environ["PATH"], "JWT_SECRET": "x"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 2
    assert run.stderr.startswith("GV150")
    assert "GAVAN_DB_ADMIN_URL" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_client_that_hangs_up_stops_its_statement_and_leaves_no_half_of_its_rows(
    database: Database, tmp_path: Path
) -> None:
    with database.connect() as connection:
        connection.execute(
            "create function slow() returns void language sql"
            " set statement_timeout = '120s' as 'select pg_sleep(120)';"
            "create table half (id int); grant all on half to anon"
        )
    core = Core(environment(database, GAVAN_CORE_SERVICES="rest"), tmp_path / "core.log")
    wait_until(core.answers)
    with database.connect("supabase_admin") as admin:

        def running() -> int:
            row = admin.execute(
                "select count(*) from pg_stat_activity where datname = current_database()"
                " and state = 'active' and query like '%slow%' and pid <> pg_backend_pid()"
            ).fetchone()
            return int(row[0]) if row else 0

        try:
            with socket.create_connection(("127.0.0.1", core.port), timeout=60) as caller:
                caller.sendall(
                    b"POST /rest/v1/rpc/slow HTTP/1.1\r\nhost: x\r\n"
                    b"content-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
                )
                wait_until(lambda: running() == 1)
            wait_until(lambda: running() == 0)
            with socket.create_connection(("127.0.0.1", core.port), timeout=60) as caller:
                caller.sendall(
                    b"POST /rest/v1/half HTTP/1.1\r\nhost: x\r\n"
                    b"content-type: text/csv\r\ncontent-length: 99\r\n\r\nid\n1\n2\n"
                )
            wait_until(lambda: core.log.read_text().count('"status":499') == 2)
            assert admin.execute("select count(*) from half").fetchone() == (0,)
            assert httpx.get(f"{core.url}/rest/v1/").status_code == 200
        finally:
            assert core.stop() == 0
    assert "defect" not in core.log.read_text()
