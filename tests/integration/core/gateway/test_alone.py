"""The data API alone: `gavan core --services rest` in the place of a PostgREST."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from gavan.kit.jwt import sign
from gavan.kit.secret import Secret
from tests.alone import running_alone
from tests.conftest import JWT_SECRET, Database
from tests.servers import wait_until

SCHEMA = """
create schema app;
create table app.item (id int primary key, name text);
insert into app.item values (1, 'one'), (2, 'two'), (3, 'three');
create table app.private (id int);
create function app.prepared() returns int language sql as
    'select count(*)::int from pg_prepared_statements';
create function app.nap() returns int language sql as 'select 1 from pg_sleep(600)';
grant usage on schema app to anon, authenticated;
grant select, delete on app.item to anon;
grant all on all tables in schema app to authenticated;
"""


@contextmanager
def alone(
    database: Database, log: Path, options: Mapping[str, str], *flags: str
) -> Iterator[tuple[httpx.Client, int]]:
    """Serve until the block ends; yield a client and the process id."""
    with database.connect() as connection:
        connection.execute(SCHEMA.encode())
    url = database.url("authenticator")
    with running_alone(url, log, options, *flags) as running:
        yield running.client, running.pid


def bearer(**claims: object) -> dict[str, str]:
    return {"authorization": f"Bearer {sign(claims, Secret(JWT_SECRET))}"}


def test_it_serves_the_root_path_by_the_variables_of_postgrest(
    database: Database, tmp_path: Path
) -> None:
    options = {"PGRST_DB_ANON_ROLE": "anon", "PGRST_DB_MAX_ROWS": "2"}
    secret = tmp_path / "secret"
    secret.write_text(f"{JWT_SECRET}\n")
    options |= {
        "PGRST_JWT_SECRET": f"@{secret}",
        "PGRST_JWT_AUD": "us",
        "PGRST_JWT_ROLE_CLAIM_KEY": ".app.roles[0]",
    }
    with alone(database, tmp_path / "log", options) as (client, pid):
        assert client.get("/item?select=id").json() == [{"id": 1}, {"id": 2}]
        assert client.get("/").json()["swagger"] == "2.0"
        assert client.get("/private").status_code == 401
        user = bearer(app={"roles": ["authenticated"]}, aud=["us", "them"])
        assert client.get("/private", headers=user).json() == []
        refused = client.get("/private", headers=bearer(role="authenticated", aud="them"))
        assert (refused.status_code, refused.json()["code"]) == (401, "PGRST303")
        # No API keys, and no pg-safeupdate unless the database loads it.
        assert client.delete("/item", headers={"apikey": "x"}).status_code == 204
        # The signal of PostgREST reloads, with or without a notification.
        with database.connect("supabase_admin") as connection:
            connection.execute(
                f"alter role authenticator in database {database.name} set pgrst.db_max_rows = '1'"
            )
            connection.execute("insert into app.item values (1, 'one'), (2, 'two')")
        os.kill(pid, signal.SIGUSR2)
        wait_until(lambda: len(client.get("/item").json()) == 1)


def test_a_rotated_secret_and_settings_of_the_database_hold_after_a_reload(
    database: Database, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the first secret, of more than 32 bytes")
    options = {
        "PGRST_DB_ANON_ROLE": "anon",
        "PGRST_JWT_SECRET": f"@{secret}",
        "PGRST_SERVER_CORS_ALLOWED_ORIGINS": "http://a",
    }
    user = bearer(role="authenticated")
    allowed = "access-control-allow-origin"
    with alone(database, tmp_path / "log", options) as (client, pid):
        assert client.get("/private", headers=user).status_code == 401
        assert client.get("/item", headers={"origin": "http://a"}).headers[allowed] == "http://a"
        assert allowed not in client.get("/item", headers={"origin": "http://b"}).headers
        secret.write_text(JWT_SECRET)
        with database.connect("supabase_admin") as connection:
            connection.execute(
                f"alter role authenticator in database {database.name}"
                " set pgrst.server_cors_allowed_origins = 'http://b, http://c'"
            )
        os.kill(pid, signal.SIGUSR2)
        wait_until(lambda: client.get("/private", headers=user).status_code == 200)
        assert client.get("/item", headers={"origin": "http://c"}).headers[allowed] == "http://c"
        assert allowed not in client.get("/item", headers={"origin": "http://a"}).headers
        secret.write_text("short")
        os.kill(pid, signal.SIGUSR2)
        wait_until(lambda: "stays as it was" in (tmp_path / "log").read_text())
        assert client.get("/private", headers=user).status_code == 200


def test_options_without_effect_are_named_in_the_log(database: Database, tmp_path: Path) -> None:
    options = {"PGRST_SERVER_REUSEPORT": "true", "PGRST_DB_SCHMEAS": "typo", "PGRST_MAX_ROWS": "1"}
    log = tmp_path / "log"
    with alone(database, log, {**options, "PGRST_DB_ANON_ROLE": "anon"}) as (client, _):
        assert len(client.get("/item").json()) == 1  # an older name of PGRST_DB_MAX_ROWS
        told = log.read_text()
    for name in ("PGRST_SERVER_REUSEPORT", "PGRST_DB_SCHMEAS"):
        assert f"{name} changes nothing here" in told
    assert "PGRST_MAX_ROWS changes" not in told


def test_a_token_without_a_secret_is_the_fault_of_the_server(
    database: Database, tmp_path: Path
) -> None:
    with alone(database, tmp_path / "log", {"PGRST_DB_ANON_ROLE": "anon"}) as (client, _):
        answer = client.get("/item", headers=bearer(role="authenticated"))
        assert (answer.status_code, answer.json()["code"]) == (500, "PGRST300")


def test_nothing_stays_prepared_for_a_pooler_in_transaction_mode(
    database: Database, tmp_path: Path
) -> None:
    options = {
        "PGRST_DB_ANON_ROLE": "anon",
        "PGRST_DB_PREPARED_STATEMENTS": "false",
        "PGRST_DB_CHANNEL_ENABLED": "false",
        "PGRST_DB_POOL": "1",
    }
    with alone(database, tmp_path / "log", options) as (client, pid):
        for _ in range(3):
            assert client.get("/item?id=eq.1&select=name").json() == [{"name": "one"}]
            assert client.post("/rpc/prepared").json() == 0
        with database.connect() as connection:
            listening = connection.execute(
                "select count(*) from pg_stat_activity where datname = current_database()"
                " and application_name = 'gavan rest listener'"
            ).fetchone()
            assert listening == (0,)
            connection.execute("create table app.late (id int); grant select on app.late to anon")
        # Nobody listens for the change: the other signal of PostgREST tells of it.
        assert client.get("/late").status_code == 404
        os.kill(pid, signal.SIGUSR1)
        wait_until(lambda: client.get("/late").status_code == 200)


def test_a_client_that_hangs_up_stops_its_statement(database: Database, tmp_path: Path) -> None:
    def naps() -> int:
        with database.connect("supabase_admin") as connection:
            row = connection.execute(
                "select count(*) from pg_stat_activity where query ~ 'nap' and state = 'active'"
                " and datname = current_database() and pid <> pg_backend_pid()"
            ).fetchone()
        return int(row[0]) if row else 0

    with alone(database, tmp_path / "log", {"PGRST_DB_ANON_ROLE": "anon"}) as (client, _):
        with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as caller:
            caller.sendall(b"GET /rpc/nap HTTP/1.1\r\nhost: x\r\n\r\n")
            wait_until(lambda: naps() == 1)
        wait_until(lambda: naps() == 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PGRST_DB_TX_END", "maybe"),
        ("PGRST_JWT_SECRET", "hunter2"),
        ("PGRST_JWT_SECRET", "@/no/such/file"),
        ("PGRST_JWT_ROLE_CLAIM_KEY", ".roles[*]"),
        ("PGRST_DB_POOL", "many"),
    ],
)
def test_a_variable_that_cannot_be_read_is_named_at_the_start(name: str, value: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gavan", "core", "--services", "rest"],
        env={"PATH": os.environ["PATH"], "PGRST_DB_URI": "postgres://nobody@127.0.0.1:1/x"}
        | {name: value},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert name in done.stderr
    assert value not in done.stderr or value.startswith(("@", "."))
