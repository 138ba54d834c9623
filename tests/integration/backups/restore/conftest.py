"""A stack whose database is one of the test cluster, and its backups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gavan.backups.layout import Repository
from gavan.backups.listing import find
from gavan.backups.model import Manifest
from gavan.backups.restore import Restored, Wish, restore
from gavan.backups.run import repository_of, run_backup
from gavan.backups.sealing import opener_for
from gavan.backups.swap import discard, kept_databases
from gavan.database.access import Access, access
from gavan.database.embedded import ADMIN
from gavan.kit.secret import Secret
from gavan.stack.load import load_stack
from gavan.stack.model import Stack
from tests.conftest import Database
from tests.servers import RolePasswords


@dataclass
class House:
    """A stack in a folder, over a database of the cluster."""

    root: Path
    database: Database
    more: str = ""
    heard: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def stack(self) -> Stack:
        (self.root / "gavan.toml").write_text(
            f'[stack]\nname = "house"\n[database]\nport = {self.database.cluster.server.port}\n'
            f'name = "{self.database.name}"\n{self.more}'
        )
        return load_stack(self.root / "gavan.toml", environ={})

    @property
    def keys(self) -> RolePasswords:
        known = self.database.cluster.server.passwords
        return RolePasswords(
            postgres_password=known["postgres"],
            authenticator_password=known["authenticator"],
            auth_admin_password=known["supabase_auth_admin"],
            admin_password=known[ADMIN],
            storage_admin_password=known["supabase_storage_admin"],
            realtime_admin_password=known["supabase_realtime_admin"],
        )

    @property
    def access(self) -> Access:
        return access(self.stack, self.keys, environ={})

    @property
    def repository(self) -> Repository:
        return repository_of(self.stack)

    def run(self, *statements: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """Run statements as the superuser; return the rows of the last."""
        url = self.database.cluster.url(ADMIN, database or self.database.name)
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def backup(self) -> Manifest:
        return run_backup(self.stack, self.keys).manifest

    def blob(self, name: str, content: bytes, bucket: str = "files") -> str:
        """Store an object as the core does; return its version."""
        version = f"{name.encode().hex()[:8]:0<8}-1111-2222-3333-{len(content):012d}"
        path = self.root / ".gavan/storage" / version[:2] / version
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.run(
            f"insert into storage.buckets (id, name) values ('{bucket}', '{bucket}')"
            " on conflict do nothing",
            "insert into storage.objects (bucket_id, name, version, metadata) values"
            f" ('{bucket}', '{name}', '{version}', '{{\"size\": {len(content)}}}')",
        )
        return version

    def wish(self, backup: str = "latest", identity: Path | None = None, **more: Any) -> Wish:
        made = find(self.repository, backup).manifest
        assert made is not None
        return replace(self.wish_for(made, identity), **more)

    def wish_for(self, made: Manifest, identity: Path | None = None) -> Wish:
        return Wish(
            stack=self.stack, access=self.access, repository=self.repository, made=made,
            opener=opener_for(made.encryption, identity), report=self._hear,
        )  # fmt: skip

    def restore(self, backup: str = "latest", **more: Any) -> Restored:
        return restore(self.wish(backup, **more))

    def _hear(self, step: str, state: str, detail: str) -> None:
        self.heard.append((step, state, detail))

    def tidy(self) -> None:
        admin = Secret(self.database.url(ADMIN))
        discard(admin, kept_databases(admin))


@pytest.fixture
def house(tmp_path: Path, database: Database) -> Iterator[House]:
    """A stack with a table of cards; what restores kept is dropped at the end."""
    made = House(tmp_path, database)
    made.run(
        "create table public.card (id int primary key, title text not null)",
        "alter table public.card owner to postgres",
        "insert into public.card select i, 'card ' || i from generate_series(1, 10) as i",
    )
    yield made
    made.tidy()
