"""A stack in a folder, over a database of its own, with objects whose bytes are files."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gavan.backups.layout import Repository
from gavan.backups.model import Kind
from gavan.backups.run import Made, repository_of, run_backup
from gavan.database.embedded import ADMIN
from gavan.kit.storage.blob import blob_key
from gavan.stack.load import load_stack
from gavan.stack.model import Stack
from tests.conftest import Database
from tests.servers import RolePasswords, random_passwords
from tests.supervised import short_folder

TABLES = (
    "create table public.card (id bigint primary key, title text)",
    "insert into public.card select n, 'card ' || n from generate_series(1, 500) as n",
    "create table public.empty (id bigint primary key)",
    "create schema hidden",
    "create table hidden.note (body text)",
    "insert into hidden.note values ('one'), ('two')",
    "insert into storage.buckets (id, name) values ('files', 'files')",
)


@dataclass
class Backed:
    """The stack; ``heard`` are the steps that the last run told of."""

    root: Path
    database: Database
    keys: RolePasswords
    more: str = ""
    environ: dict[str, str] = field(default_factory=dict)
    heard: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def stack(self) -> Stack:
        (self.root / "gavan.toml").write_text(f'[stack]\nname = "board"\n{self.more}')
        return load_stack(self.root / "gavan.toml", environ=self.environ)

    @property
    def repository(self) -> Repository:
        return repository_of(self.stack)

    def run(self, kind: Kind = Kind.LOGICAL, wait_s: float = 0.0) -> Made:
        self.heard.clear()
        return run_backup(self.stack, self.keys, self.hear, kind=kind, wait_s=wait_s)

    def hear(self, step: str, state: str, detail: str) -> None:
        self.heard.append((step, state, detail))

    def ask(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.database.connect(ADMIN) as connection:
            cursor = connection.execute(query.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def put(self, name: str, content: bytes | None) -> str:
        """Store an object, or only its row; return its version."""
        version = str(uuid.uuid4())
        if content is not None:
            path = self.root / ".gavan" / "storage" / blob_key(version)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.ask(
            "insert into storage.objects (bucket_id, name, version, metadata)"
            " values ('files', %s, %s, jsonb_build_object('size', %s::bigint))"
            " on conflict (bucket_id, name) do update set version = excluded.version",
            name, version, len(content or b""),
        )  # fmt: skip
        return version

    def drop(self, name: str) -> None:
        """Delete the row of an object, as the storage service does."""
        with self.database.connect(ADMIN) as connection:
            connection.execute("set storage.allow_delete_query = 'true'")
            connection.execute("delete from storage.objects where name = %s", (name,))


@pytest.fixture
def backed_factory(
    database_factory: Callable[[], Database], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Backed]]:
    """Return a function that makes a stack; ``more`` is added to its file."""

    def make(more: str = "", environ: dict[str, str] | None = None) -> Backed:
        database = database_factory()
        monkeypatch.setenv("GAVAN_DB_URL", database.url())
        monkeypatch.setenv("GAVAN_DB_ADMIN_URL", database.url(ADMIN))
        backed = Backed(folder, database, random_passwords(), more, environ or {})
        for statement in TABLES:
            backed.ask(statement)
        return backed

    with short_folder() as folder:
        yield make


@pytest.fixture
def backed(backed_factory: Callable[..., Backed]) -> Backed:
    """A stack without encryption and without a second place."""
    return backed_factory()
