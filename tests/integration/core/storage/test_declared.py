"""Buckets of the stack file are there when the service answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from gavan.core.storage.buckets.declared import declare_buckets
from gavan.core.storage.config import DeclaredBucket
from gavan.core.storage.errors import StorageError
from gavan.core.storage.store import Store
from gavan.database.pool import Pool
from tests.conftest import Database
from tests.live import running_core
from tests.servers import wait_until

FILES = DeclaredBucket(
    id="card files",
    file_size_limit=5_000_000,
    allowed_mime_types=("image/*", "application/pdf"),
    allow_prefixes=("a/",),
)


StoreFactory = Callable[[Database], Awaitable[Store]]


@pytest_asyncio.fixture
async def store_factory() -> AsyncIterator[StoreFactory]:
    """Open stores as cores do; all are closed after the test."""
    opened: list[Store] = []

    async def make(database: Database) -> Store:
        store = Store(Pool(database.settings().storage_admin_url, size=2))
        await store.open()
        opened.append(store)
        return store

    yield make
    for store in opened:
        await store.close()


def rows(database: Database) -> list[tuple[Any, ...]]:
    query = (
        "select id, name, public, file_size_limit, allowed_mime_types, owner_id, type"
        " from storage.buckets order by id"
    )
    with database.connect() as connection:
        return connection.execute(query).fetchall()


async def test_a_declared_bucket_is_made_private(
    database: Database, store_factory: StoreFactory
) -> None:
    store = await store_factory(database)
    await declare_buckets(store, [FILES, DeclaredBucket(id="avatars", is_public=True)])
    types = ["image/*", "application/pdf"]
    assert rows(database) == [
        ("avatars", "avatars", True, None, None, None, "STANDARD"),
        ("card files", "card files", False, 5_000_000, types, None, "STANDARD"),
    ]


async def test_a_second_start_touches_nothing(
    database: Database,
    store_factory: StoreFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = await store_factory(database)
    await declare_buckets(store, [FILES])
    caplog.set_level(logging.INFO)
    with database.connect() as connection:
        before = connection.execute("select xmin, ctid from storage.buckets").fetchall()
        await declare_buckets(store, [FILES])
        assert connection.execute("select xmin, ctid from storage.buckets").fetchall() == before
    assert caplog.records == []


async def test_changed_settings_are_changed_and_cleared(
    database: Database, store_factory: StoreFactory
) -> None:
    store = await store_factory(database)
    await declare_buckets(store, [FILES])
    await declare_buckets(store, [replace(FILES, is_public=True, allowed_mime_types=())])
    assert rows(database)[0][2:5] == (True, 5_000_000, None)
    await declare_buckets(store, [DeclaredBucket(id=FILES.id)])
    assert rows(database)[0][2:5] == (False, None, None)


async def test_a_bucket_that_left_the_file_stays_and_is_told(
    database: Database,
    store_factory: StoreFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = await store_factory(database)
    await declare_buckets(store, [FILES, DeclaredBucket(id="old")])
    caplog.set_level(logging.INFO)
    await declare_buckets(store, [FILES])
    assert [row[0] for row in rows(database)] == ["card files", "old"]
    assert [record.__dict__["buckets"] for record in caplog.records] == [["old"]]


async def test_a_name_that_another_bucket_has_stops_no_other(
    database: Database,
    store_factory: StoreFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with database.connect() as connection:
        connection.execute("insert into storage.buckets (id, name) values ('other', 'card files')")
    await declare_buckets(await store_factory(database), [FILES, DeclaredBucket(id="avatars")])
    assert [row[0] for row in rows(database)] == ["avatars", "other"]
    assert "card files" in caplog.text


async def test_many_cores_may_start_at_once(
    database: Database,
    store_factory: StoreFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stores = [await store_factory(database) for _ in range(6)]
    buckets = [DeclaredBucket(id=f"b{number}") for number in range(20)]
    caplog.set_level(logging.INFO)
    await asyncio.gather(*(declare_buckets(store, buckets) for store in stores))
    assert len(rows(database)) == 20
    events = [record.__dict__["event"] for record in caplog.records]
    assert events == ["storage.bucket_made"] * 20


async def test_without_the_schema_the_start_is_tried_again(
    database: Database, store_factory: StoreFactory
) -> None:
    with database.connect("supabase_admin") as connection:
        connection.execute("alter table storage.buckets rename to buckets_of_later")
    store = await store_factory(database)
    with pytest.raises(StorageError) as caught:
        await declare_buckets(store, [FILES])
    assert caught.value.code == "DatabaseSchemaMismatch"


def test_a_core_waits_for_the_schema_and_then_has_the_buckets(
    database: Database, tmp_path: Path
) -> None:
    options = {"GAVAN_STORAGE_BUCKETS": '{"files": {}}', "GAVAN_CORE_SERVICES": "storage"}
    with database.connect("supabase_admin") as connection:
        connection.execute("alter table storage.buckets rename to buckets_of_later")
        with running_core(database, tmp_path / "core.log", options) as live:
            assert httpx.get(f"{live.url}/health/ready").status_code == 503
            connection.execute("alter table storage.buckets_of_later rename to buckets")
            wait_until(lambda: httpx.get(f"{live.url}/health/ready").status_code == 200)
            headers = {"authorization": f"Bearer {live.service_key}"}
            found = httpx.get(f"{live.url}/storage/v1/bucket/files", headers=headers)
            assert found.json()["public"] is False
