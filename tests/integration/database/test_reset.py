"""Replacing a database while clients hold it."""

from __future__ import annotations

import threading

import psycopg
import pytest

from gavan.database.bootstrap import bootstrap
from gavan.database.embedded import ADMIN
from gavan.database.reset import recreate
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from tests.conftest import Database


def test_clients_and_slots_do_not_stop_it(database: Database) -> None:
    admin = Secret(database.url(ADMIN))
    client = database.connect()
    client.execute("create table board (id int)")
    with database.connect(ADMIN) as connection:
        connection.execute(
            "select pg_create_logical_replication_slot(%s, 'pgoutput')", (f"s_{database.name}",)
        )
    recreate(admin)
    with pytest.raises(psycopg.OperationalError):
        client.execute("select 1")
    applied = bootstrap(admin, {})
    assert applied[0] == "001_roles"
    with database.connect() as connection:
        row = connection.execute("select to_regclass('board'), to_regclass('auth.users')::text")
        assert row.fetchone() == (None, "auth.users")


def test_a_pool_that_reconnects_at_once_does_not_stop_it(database: Database) -> None:
    stop = threading.Event()

    def hammer() -> None:
        while not stop.is_set():
            try:
                with database.connect() as connection:
                    connection.execute("select pg_sleep(0.01)")
            except psycopg.Error:
                continue

    threads = [threading.Thread(target=hammer) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        recreate(Secret(database.url(ADMIN)))
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_bootstrap_twice_applies_nothing_the_second_time(database: Database) -> None:
    admin = Secret(database.url(ADMIN))
    assert bootstrap(admin, {}) == []
    with database.connect(ADMIN) as connection:
        files = connection.execute("select count(*) from gavan.system_migrations").fetchone()
        assert files is not None
        assert files[0] > 5


def test_bootstrap_sets_a_changed_password_and_only_then(database: Database) -> None:
    admin = Secret(database.url(ADMIN))
    with database.connect(ADMIN) as connection:
        connection.execute("create role passer login")
        connection.execute("alter role passer password 'old'")
        try:
            bootstrap(admin, {"passer": Secret("new")})
            verifier = "select rolpassword from pg_authid where rolname = 'passer'"
            first = connection.execute(verifier).fetchone()
            bootstrap(admin, {"passer": Secret("new")})
            assert connection.execute(verifier).fetchone() == first
            facts = psycopg.conninfo.conninfo_to_dict(database.url(ADMIN))
            facts |= {"user": "passer", "password": "new"}
            psycopg.connect(**facts).close()  # type: ignore[arg-type]
        finally:
            connection.execute("drop role passer")


def test_a_server_that_is_down_is_one_sentence_without_the_password() -> None:
    with pytest.raises(GavanError) as caught:
        recreate(Secret("postgresql://x:hush@127.0.0.1:1/x"))
    assert caught.value.code == "GV321"
    assert "hush" not in f"{caught.value} {caught.value.details}"
