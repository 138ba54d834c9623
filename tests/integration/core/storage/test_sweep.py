"""The sweep finds exactly the bytes that no row names, over files and over an S3."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from gavan.core.storage.config import StorageConfig
from gavan.core.storage.store import Store
from gavan.core.storage.sweep import ABANDONED_S, Swept, sweep
from gavan.core.storage.uploads.uploads import Upload, Uploads
from gavan.core.storage.webhooks.webhooks import Webhooks
from gavan.database.pool import Pool
from gavan.kit.secret import Secret
from gavan.kit.storage.blob import blob_key
from gavan.kit.storage.files import STAGING, Files
from gavan.kit.storage.provider import Provider
from gavan.kit.storage.s3 import S3
from tests.conftest import Database
from tests.integration.kit.storage.blobs import content, in_chunks, shown
from tests.rclone_s3 import running_s3

DAY_S = 24 * 3600


@pytest.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    with database.connect("supabase_storage_admin") as admin:
        admin.execute("insert into storage.buckets (id, name) values ('b', 'b')")
    store = Store(
        Pool(Secret(database.url("supabase_storage_admin")), size=2, application_name="t")
    )
    await store.open()
    yield store
    await store.close()


@pytest.fixture(params=["files", "s3"])
async def provider(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Provider]:
    provider: Provider
    if request.param == "files":
        provider = Files(tmp_path / "blobs")
        yield provider
        await provider.close()
        return
    with running_s3(tmp_path / "served") as s3:
        provider = S3(s3.settings)
        yield provider
        await provider.close()


@pytest.fixture
async def files(tmp_path: Path) -> AsyncIterator[Files]:
    files = Files(tmp_path / "blobs")
    yield files
    await files.close()


async def put(store: Store, provider: Provider, name: str, data: bytes) -> str:
    """Store an object as the service does; return its version."""
    uploads = Uploads(store, provider, StorageConfig(folder=None), Webhooks(store, None))
    upload = Upload(
        bucket_id="b",
        name=name,
        owner=None,
        mime="text/plain",
        cache_control="no-cache",
        most=1000,
        is_upsert=True,
    )
    permit = await uploads.permit(upload, None)
    return (await uploads.store(permit, in_chunks(data))).version


async def orphan(provider: Provider, size: int) -> str:
    """Store bytes as a process does that is killed before it puts the row."""
    version = str(uuid4())
    await provider.write(blob_key(version), in_chunks(bytes(size)), length=size)
    return version


def admin_of(database: Database) -> psycopg.Connection[Any]:
    return database.connect("supabase_storage_admin")


async def test_exactly_the_orphans_are_counted_then_removed(
    store: Store, provider: Provider
) -> None:
    kept = {name: await put(store, provider, name, name.encode()) for name in ("a", "b/c", "d")}
    kept["a"] = await put(store, provider, "a", b"replaced")
    lost = [await orphan(provider, size) for size in (1, 20, 300)]
    await provider.write("reports/of-somebody-else.txt", in_chunks(b"x"), length=1)
    await provider.write(f"zz/{uuid4()}", in_chunks(b"x"), length=1)
    expected = Swept(is_deleted=False, blobs=6, orphans=3, orphan_bytes=321)
    assert await sweep(store, provider, safety_s=0, delete=False) == expected
    assert len((await shown(provider)).blobs) == 8
    expected.is_deleted = True
    assert await sweep(store, provider, safety_s=0, delete=True) == expected
    blobs = (await shown(provider)).blobs
    assert not {blob_key(version) for version in lost} & set(blobs)
    assert len(blobs) == 5
    assert await content(provider, blob_key(kept["a"])) == b"replaced"
    assert await content(provider, blob_key(kept["b/c"])) == b"b/c"
    again = await sweep(store, provider, safety_s=0, delete=True)
    assert again == Swept(is_deleted=True, blobs=3)


async def test_what_is_young_is_left_alone(
    store: Store, provider: Provider, database: Database
) -> None:
    await orphan(provider, 5)
    await provider.begin(blob_key(str(uuid4())))
    missing = await put(store, provider, "a", b"x")
    await provider.delete([blob_key(missing)])
    swept = await sweep(store, provider, safety_s=600, delete=True)
    assert swept == Swept(is_deleted=True, blobs=1)
    told = await shown(provider)
    assert (len(told.blobs), len(told.unfinished)) == (1, 1)


async def test_rows_without_bytes_are_told_and_never_removed(
    store: Store, files: Files, database: Database
) -> None:
    for number in range(12):
        await put(store, files, f"x/{number:02}", b"x")
    versions = [key.partition("/")[2] for key in (await shown(files)).blobs]
    await files.delete([blob_key(version) for version in versions])
    with admin_of(database) as admin:
        admin.execute(
            "insert into storage.objects (bucket_id, name, version)"
            " values ('b', 'by hand', null), ('b', 'by hand too', '../../etc/passwd')"
        )
        swept = await sweep(store, files, safety_s=0, delete=True)
        counted = admin.execute("select count(*) from storage.objects").fetchall()
    assert counted == [(14,)]
    assert (swept.missing, swept.orphans) == (14, 0)
    assert len(swept.missing_names) == 10
    assert set(swept.missing_names) <= {f"b/x/{number:02}" for number in range(12)}


async def test_uploads_that_nobody_goes_on_with_are_discarded(
    store: Store, provider: Provider
) -> None:
    handle = await provider.begin(blob_key(str(uuid4())))
    await provider.grow(handle, 0, in_chunks(bytes(70)))
    foreign = await provider.begin("reports/of-somebody-else.txt")
    counted = await sweep(store, provider, safety_s=-60, delete=False)
    assert (counted.unfinished, counted.unfinished_bytes) == (1, 70)
    await sweep(store, provider, safety_s=-60, delete=True)
    assert list((await shown(provider)).unfinished) == [foreign]


async def test_what_dead_writers_left_is_discarded(
    store: Store, files: Files, tmp_path: Path
) -> None:
    await files.write("aa/x", in_chunks(b"x"))
    left = tmp_path / "blobs" / STAGING / str(uuid4())
    left.write_bytes(bytes(9))
    os.utime(left, (1, 1))
    swept = await sweep(store, files, safety_s=DAY_S, delete=True)
    assert (swept.unfinished, swept.unfinished_bytes) == (1, 9)
    assert not left.exists()


async def test_an_open_upload_in_parts_is_given_up_after_a_week(
    store: Store, files: Files, database: Database, tmp_path: Path
) -> None:
    version = str(uuid4())
    handle = await files.begin(blob_key(version))
    with admin_of(database) as admin:
        admin.execute(
            "insert into storage.s3_multipart_uploads"
            " (id, upload_signature, bucket_id, key, version) values ('one', %s, 'b', 'k', %s)",
            (handle, version),
        )
        for age_s, is_kept in ((2 * DAY_S, True), (ABANDONED_S + DAY_S, False)):
            begun = time.time() - age_s
            os.utime(tmp_path / "blobs" / STAGING / handle, (begun, begun))
            swept = await sweep(store, files, safety_s=DAY_S, delete=True)
            assert swept.unfinished == (0 if is_kept else 1)
            assert (handle in (await shown(files)).unfinished) is is_kept
            rows = admin.execute("select id from storage.s3_multipart_uploads").fetchall()
            assert len(rows) == (1 if is_kept else 0)


async def test_an_upload_that_was_put_together_and_then_forgotten_is_given_up_after_a_week(
    store: Store, provider: Provider, database: Database
) -> None:
    version = str(uuid4())
    await provider.write(blob_key(version), in_chunks(b"together"))
    with admin_of(database) as admin:
        admin.execute(
            "insert into storage.s3_multipart_uploads"
            " (id, upload_signature, bucket_id, key, version) values ('one', 'gone', 'b', 'k', %s)",
            (version,),
        )
        young = await sweep(store, provider, safety_s=0, delete=True)
        assert (young.unfinished, young.orphans) == (0, 0)
        admin.execute("update storage.s3_multipart_uploads set created_at = now() - interval '8 d'")
        old = await sweep(store, provider, safety_s=0, delete=True)
        assert (old.unfinished, old.orphans) == (1, 0)
        assert admin.execute("select id from storage.s3_multipart_uploads").fetchall() == []
    assert (await sweep(store, provider, safety_s=0, delete=True)).orphans == 1
    assert (await shown(provider)).blobs == {}


async def test_resumable_uploads_are_for_their_own_expiry_to_end(
    store: Store, provider: Provider
) -> None:
    settled, growing = str(uuid4()), str(uuid4())
    for version in (settled, growing):
        await provider.write(f"tus/{version}", in_chunks(b"{}"), length=2)
    await provider.write(blob_key(settled), in_chunks(b"settled"), length=7)
    handle = await provider.begin(blob_key(growing))
    swept = await sweep(store, provider, safety_s=-60, delete=True)
    assert swept == Swept(is_deleted=True, blobs=1)
    assert await content(provider, blob_key(settled)) == b"settled"
    assert await provider.grown(handle) == 0
