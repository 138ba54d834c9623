"""One core per module with the storage service, and clients that act as one caller each.

Tests of a module share the database: each makes a bucket of its own with ``storage.bucket()``.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from gavan.kit.jwt import sign
from gavan.kit.secret import Secret
from tests.conftest import JWT_SECRET, Cluster, Database, cloning
from tests.live import Live, running_core

ANNE = "11111111-1111-4111-8111-111111111111"
BORIS = "22222222-2222-4222-8222-222222222222"
_numbers = itertools.count(1)


KEY_ID = "AKGAVANTEST"
SECRET = "s3-secret-of-a-test"
OPTIONS = {"S3_PROTOCOL_ACCESS_KEY_ID": KEY_ID, "S3_PROTOCOL_ACCESS_KEY_SECRET": SECRET}


def token_of(role: str, sub: str | None = None, **claims: Any) -> str:
    """Return a token that lives an hour."""
    now = int(time.time())
    return sign(
        {"role": role, "iat": now, "exp": now + 3600, **({"sub": sub} if sub else {}), **claims},
        Secret(JWT_SECRET),
    )


@dataclass(frozen=True)
class Storage:
    """A running storage service; ``folder`` is where its blobs are.

    ``service``, ``anon``, ``anne``, ``boris`` are clients of ``/storage/v1`` with their token;
    ``nobody`` sends none.
    """

    live: Live
    database: Database
    folder: Path
    log: Path
    _clients: dict[str, httpx.Client] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def service(self) -> httpx.Client:
        return self._as("service_role")

    @property
    def anon(self) -> httpx.Client:
        return self._as("anon")

    @property
    def anne(self) -> httpx.Client:
        return self.as_user(ANNE)

    @property
    def boris(self) -> httpx.Client:
        return self.as_user(BORIS)

    @property
    def nobody(self) -> httpx.Client:
        return self.client("")

    def as_user(self, sub: str, **claims: Any) -> httpx.Client:
        """Return a client that acts as a user of role ``authenticated``."""
        return self._as("authenticated", sub, **claims)

    def client(self, token: str) -> httpx.Client:
        """Return a client that sends a token; it lives as long as the module."""
        return self._kept(token, token)

    def _as(self, role: str, sub: str | None = None, **claims: Any) -> httpx.Client:
        return self._kept(f"{role} {sub} {claims}", token_of(role, sub, **claims))

    def _kept(self, caller: str, token: str) -> httpx.Client:
        with self._lock:
            if caller not in self._clients:
                headers = {"authorization": f"Bearer {token}"} if token else {}
                self._clients[caller] = httpx.Client(
                    base_url=f"{self.live.url}/storage/v1", headers=headers, timeout=30
                )
            return self._clients[caller]

    def sql(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Run SQL past all policies, as the owner of the tables; return the rows."""
        with self.database.connect("supabase_admin") as connection:
            connection.execute("select set_config('storage.allow_delete_query', 'true', false)")
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def session(self) -> Iterator[psycopg.Connection[Any]]:
        """Yield a connection with a transaction of its own, for locks that are held."""
        with self.database.connect("supabase_admin") as connection, connection.transaction():
            yield connection

    def bucket(self, **columns: Any) -> str:
        """Make a bucket with a name of its own and return its id; ``public=True`` and the like."""
        name = f"b{next(_numbers)}"
        self.sql("insert into storage.buckets (id, name) values (%s, %s)", name, name)
        for column, value in columns.items():
            self.sql(f"update storage.buckets set {column} = %s where id = %s", value, name)
        return name

    @contextmanager
    def policies(self, *policies: str) -> Iterator[None]:
        """Have policies on ``storage.objects``: ``for insert to authenticated with check (…)``."""
        names = [f"p{next(_numbers)}" for _ in policies]
        for name, policy in zip(names, policies, strict=True):
            self.sql(f"create policy {name} on storage.objects {policy}")
        try:
            yield
        finally:
            for name in names:
                self.sql(f"drop policy {name} on storage.objects")

    def row(self, bucket: str, name: str) -> dict[str, Any] | None:
        """Return the row of an object, past all policies."""
        found = self.sql(
            "select to_jsonb(o) from storage.objects o where bucket_id = %s and name = %s",
            bucket,
            name,
        )
        return found[0][0] if found else None

    def blobs(self) -> set[str]:
        """Return the versions of all blobs that are stored, staged ones included."""
        return {path.name for path in self.folder.rglob("*") if path.is_file()}

    def orphans(self) -> set[str]:
        """Return the versions of blobs that no row names."""
        named = {row[0] for row in self.sql("select version from storage.objects")}
        return self.blobs() - named

    def close(self) -> None:
        """Close the clients."""
        for client in self._clients.values():
            client.close()


@contextmanager
def running_storage(
    database: Database, folder: Path, options: dict[str, str] | None = None
) -> Iterator[Storage]:
    """Serve a database and a folder until the block ends; ``options`` are more variables."""
    log, blobs = folder / "core.log", folder / "blobs"
    variables = {"FILE_STORAGE_BACKEND_PATH": str(blobs), **(options or {})}
    with running_core(database, log, variables) as live:
        storage = Storage(live, database, blobs, log)
        try:
            yield storage
        finally:
            storage.close()


@pytest.fixture(scope="module")
def storage(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    """A storage service over files that takes an S3 key pair, shared by the tests of a module."""
    with (
        cloning(cluster) as clone,
        running_storage(clone(), tmp_path_factory.mktemp("s"), OPTIONS) as running,
    ):
        yield running
