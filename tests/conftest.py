"""Fixtures every test folder shares: one Postgres per session, one fresh database per test."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
from psycopg import sql

from gavan.core.settings import Settings
from gavan.database.bootstrap import bootstrap
from gavan.database.embedded import ADMIN, Server, ServerSpec, passwords_by_role, prepare_server
from gavan.database.identity import choose_account
from gavan.kit.keyset import shared_set
from gavan.kit.secret import Secret
from tests.ports import free_port
from tests.servers import random_passwords, running, wait_until

# A busy machine is no bug: no test depends on how long an example takes.
hypothesis.settings.register_profile("gavan", deadline=None)
hypothesis.settings.load_profile("gavan")

TEMPLATE = "gavan_template"
JWT_SECRET = "super-secret-jwt-token-with-at-least-32-characters-long"
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running embedded Postgres whose template database has the system schemas."""

    server: Server

    def url(self, role: str, database: str) -> str:
        return self.server.url(role, database=database).reveal()

    def connect(self, role: str = ADMIN, database: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(self.url(role, database), autocommit=True)


@dataclass(frozen=True, slots=True)
class Database:
    """A clone of the template that lives as long as one test."""

    cluster: Cluster
    name: str

    def url(self, role: str = "postgres") -> str:
        return self.cluster.url(role, self.name)

    def connect(self, role: str = "postgres") -> psycopg.Connection[Any]:
        """Open an autocommit connection as a role that logs in; the caller closes it."""
        return self.cluster.connect(role, self.name)

    def settings(self, **overrides: Any) -> Settings:
        """Return settings of a core that serves this database on a port of its own."""
        values: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": 54321,
            "services": ("rest", "auth", "realtime"),
            "authenticator_url": Secret(self.url("authenticator")),
            "auth_admin_url": Secret(self.url("supabase_auth_admin")),
            "storage_admin_url": Secret(self.url("supabase_storage_admin")),
            "realtime_admin_url": Secret(self.url("supabase_realtime_admin")),
            "admin_url": Secret(self.url(ADMIN)),
            "keys": shared_set(Secret(JWT_SECRET)),
            "anon_key": Secret("anon-key-of-a-test"),
            "service_role_key": Secret("service-role-key-of-a-test"),
            "publishable_key": Secret("sb_publishable_test"),
            "secret_key": Secret("sb_secret_test"),
            "external_url": "http://127.0.0.1:54321",
            "site_url": "http://localhost:5173",
            "schemas": ("public",),
            "extra_search_path": ("public", "extensions"),
            "max_rows": None,
            "pool_size": 4,
            "max_body_bytes": 6 * 1024 * 1024,
            "cors_origins": (),
            "log_format": "json",
        }
        return Settings(**(values | overrides))


def pytest_configure() -> None:
    """Make the account that runs Postgres, before each process with tests would try to."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Begun in the background by a shell: what tests start would ignore Ctrl-C as well.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if os.geteuid() == 0:
        choose_account(Path("/"), create_user=True)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Start one Postgres for the whole session, without durability, on a socket and a free port."""
    base = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())
    root = Path(tempfile.mkdtemp(prefix="gv-", dir=base))
    root.chmod(0o755)
    keys = random_passwords()
    server = prepare_server(_spec(root), keys, create_user=True)
    try:
        with running(server, root / "postgres.log"):
            bootstrap(server.url(ADMIN, database=TEMPLATE), passwords_by_role(keys))
            yield Cluster(server)
    finally:
        shutil.rmtree(root)


@contextmanager
def cloning(cluster: Cluster) -> Iterator[Callable[[], Database]]:
    """Yield a function that clones the template; every clone is dropped at the end."""
    made: list[str] = []

    def clone() -> Database:
        name = f"t{os.getpid()}_{next(_numbers)}"
        with cluster.connect() as admin:
            admin.execute(
                sql.SQL("create database {} template {} owner postgres").format(
                    sql.Identifier(name), sql.Identifier(TEMPLATE)
                )
            )
        made.append(name)
        return Database(cluster, name)

    yield clone
    for name in made:
        drop_database(cluster, name)


@pytest.fixture
def database_factory(cluster: Cluster) -> Iterator[Callable[[], Database]]:
    """Return a function that clones the template; every clone is dropped after the test."""
    with cloning(cluster) as clone:
        yield clone


@pytest.fixture
def database(database_factory: Callable[[], Database]) -> Database:
    """A fresh clone of the template, dropped afterwards whoever is still connected."""
    return database_factory()


def drop_database(cluster: Cluster, name: str) -> None:
    """Drop a database of the test cluster, its logical slots and its connections with it."""
    with cluster.connect() as admin:
        admin.execute(
            "select pg_terminate_backend(active_pid) from pg_replication_slots"
            " where database = %s and active_pid is not null",
            (name,),
        )
        wait_until(lambda: _drop_slots(admin, name))
        admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def _drop_slots(admin: psycopg.Connection[Any], name: str) -> bool:
    try:
        admin.execute(
            "select pg_drop_replication_slot(slot_name) from pg_replication_slots"
            " where database = %s",
            (name,),
        )
    except psycopg.errors.ObjectInUse:
        return False
    return True


def _spec(root: Path) -> ServerSpec:
    return ServerSpec(
        name="test",
        root=root,
        state_dir=root / ".gavan",
        port=free_port(),
        database="postgres",
        max_connections=200,
        settings={"fsync": "off", "full_page_writes": "off"},
    )
