"""The data API alone on a streaming replica: it reads, refuses writes and survives a promotion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gavan.database.migration.apply import migrate
from gavan.database.migration.run import Options
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from tests.alone import running_alone
from tests.integration.core.platforms.conftest import SCHEMA
from tests.plain_postgres import PlainPostgres, programs_of_the_wheel, running_postgres
from tests.servers import wait_until

OPTIONS = {"PGRST_DB_ANON_ROLE": "member"}


@pytest.fixture
def primary(place: Callable[[], Path]) -> Iterator[PlainPostgres]:
    root = place()
    with running_postgres(root, programs_of_the_wheel(root)) as server:
        with server.connect() as connection:
            connection.execute(SCHEMA.read_bytes())
        yield server


@pytest.fixture
def replica(primary: PlainPostgres) -> Iterator[PlainPostgres]:
    server = PlainPostgres(primary.root, primary.bin)
    server.copy_of(primary)
    try:
        server.start("hot_standby=on")
        yield server
    finally:
        server.stop()


def test_a_replica_reads_and_refuses_writes_without_notifications(
    replica: PlainPostgres, tmp_path: Path
) -> None:
    with running_alone(replica.url("authenticator"), tmp_path / "log", OPTIONS) as api:
        assert api.said("schema.no_listen")
        assert api.client.get("/book?select=title,author(name)&id=eq.1").json() == [
            {"title": "Alpha", "author": {"name": "Ann"}}
        ]
        assert api.client.get("/rpc/add?a=1").json() == 2
        for method, body in (("POST", {"id": 9, "name": "x"}), ("PATCH", {"name": "x"})):
            url = "/shelf?id=eq.1" if method == "PATCH" else "/shelf"
            refused = api.client.request(method, url, json=body)
            assert (refused.status_code, refused.json()["code"]) == (405, "25006")
        assert api.client.delete("/shelf?id=eq.1").status_code == 405


def test_a_replica_takes_no_migration(replica: PlainPostgres, tmp_path: Path) -> None:
    (tmp_path / "000_a.sql").write_text("create table a (id int);")
    with pytest.raises(GavanError) as caught:
        migrate(Secret(replica.url()), tmp_path, Options())
    assert (caught.value.code, caught.value.exit_code) == ("GV346", 3)


def test_without_the_channel_it_does_not_even_ask(replica: PlainPostgres, tmp_path: Path) -> None:
    options = {**OPTIONS, "PGRST_DB_CHANNEL_ENABLED": "false"}
    with running_alone(replica.url("authenticator"), tmp_path / "log", options) as api:
        assert api.client.get("/shelf").json() == [{"id": 1, "name": "top"}]
        assert not api.said("schema.no_listen")


def test_a_promoted_replica_takes_writes_and_notifications_by_itself(
    replica: PlainPostgres, tmp_path: Path
) -> None:
    with running_alone(replica.url("authenticator"), tmp_path / "log", OPTIONS) as api:
        with replica.connect() as connection:
            connection.execute("select pg_promote(wait => true)")
            connection.execute("create table app.fresh (id int); grant all on app.fresh to member")
        # Found at the next look, the first of which come soon after the start.
        wait_until(lambda: api.client.post("/fresh", json={"id": 1}).status_code == 201, 60)
        with replica.connect() as connection:
            connection.execute("alter table app.fresh add column more int")
            connection.execute("notify pgrst, 'reload schema'")
        wait_until(lambda: api.client.post("/fresh?columns=more", json={"more": 1}).is_success)


def test_of_two_hosts_the_replica_answers_and_the_primary_tells_of_changes(
    primary: PlainPostgres, replica: PlainPostgres, tmp_path: Path
) -> None:
    hosts = f"127.0.0.1:{replica.port},127.0.0.1:{primary.port}"
    url = f"postgresql://authenticator@{hosts}/postgres?target_session_attrs=read-only"
    with running_alone(url, tmp_path / "log", OPTIONS) as api:
        assert api.client.post("/shelf", json={"id": 9, "name": "x"}).status_code == 405
        with primary.connect() as connection:
            connection.execute("create table app.fresh (id int); grant all on app.fresh to member")
            connection.execute("notify pgrst, 'reload schema'")
        wait_until(lambda: api.client.get("/fresh").status_code == 200)
        assert not api.said("schema.no_listen")
