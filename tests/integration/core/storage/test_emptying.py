"""A bucket is emptied beside the requests: all of it, whatever happens, and nothing else.

Also by the next process, when the one that was asked has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio
from starlette.requests import Request

from gavan.core.storage.buckets.emptying import Emptying
from gavan.core.storage.caller import Caller, caller_of
from gavan.core.storage.config import StorageConfig
from gavan.core.storage.errors import StorageError
from gavan.core.storage.jobs.jobs import Jobs, Kind
from gavan.core.storage.jobs.worker import Pace
from gavan.core.storage.store import Store
from gavan.core.storage.uploads.uploads import Uploads
from gavan.core.storage.webhooks.webhooks import Webhooks
from gavan.database.pool import Pool
from gavan.kit.jwt import Verifier
from gavan.kit.keyset import shared_set
from gavan.kit.secret import Secret
from gavan.kit.storage.blob import blob_key
from gavan.kit.storage.files import Files
from tests.conftest import JWT_SECRET, Database
from tests.integration.core.storage.conftest import (
    ANNE,
    BORIS,
    Storage,
    running_storage,
    token_of,
)
from tests.servers import wait_until

QUEUED = {"message": "Empty bucket has been queued. Completion may take up to an hour."}
# A sequence counts what is rolled back, too.
STUCK = """
create sequence attempts start 0 minvalue 0;
create function stuck() returns trigger language plpgsql security definer as $$
begin
    perform nextval('public.attempts');
    raise exception 'not now' using errcode = '55P03';
end $$;
create trigger stuck before delete on storage.objects for each row
    when (old.bucket_id = 'b') execute function stuck()
"""
PACE = Pace(at_once=1, pause_s=0.05, most_pause_s=0.1)


def fill(storage: Storage, bucket: str, *names: str) -> None:
    for name in names:
        assert storage.service.post(f"/object/{bucket}/{name}", content=b"x").status_code == 200


def test_a_bucket_is_emptied_with_its_bytes_and_its_neighbour_is_not(storage: Storage) -> None:
    bucket, neighbour = storage.bucket(), storage.bucket()
    fill(storage, bucket, "a", "b/c", "d")
    fill(storage, neighbour, "a")
    for _ in range(2):  # once more for one that is empty already
        answer = storage.service.post(f"/bucket/{bucket}/empty")
        assert (answer.status_code, answer.json()) == (200, QUEUED)
    assert storage.sql("select from storage.objects where bucket_id = %s", bucket) == []
    assert storage.service.delete(f"/bucket/{bucket}").status_code == 200
    assert storage.service.get(f"/object/{neighbour}/a").content == b"x"
    assert storage.orphans() == set()
    missing = storage.service.post(f"/bucket/{bucket}/empty")
    assert (missing.status_code, missing.json()["code"]) == (400, "NoSuchBucket")


def test_only_the_service_role_empties_buckets(storage: Storage) -> None:
    bucket = storage.bucket()
    fill(storage, bucket, "a")
    with storage.policies("using (true)"):
        for someone in (storage.anon, storage.anne):
            answer = someone.post(f"/bucket/{bucket}/empty")
            assert answer.status_code == 403
            assert answer.json() == {
                "statusCode": "403",
                "error": "Unauthorized",
                "message": "Access denied: Invalid role",
                "code": "AccessDenied",
            }
    assert storage.nobody.post(f"/bucket/{bucket}/empty").status_code == 400
    assert storage.service.get(f"/object/{bucket}/a").content == b"x"


def test_where_others_may_they_empty_what_the_policies_let_them_delete(
    database: Database, tmp_path: Path
) -> None:
    options = {"GAVAN_STORAGE_EMPTY_REQUIRES_SERVICE_ROLE": "false"}
    mine = "using (owner_id = auth.jwt() ->> 'sub')"
    with running_storage(database, tmp_path, options) as storage:
        bucket = storage.bucket()
        fill(storage, bucket, "anne's", "boris's")
        for sub, name in ((ANNE, "anne's"), (BORIS, "boris's")):
            storage.sql("update storage.objects set owner_id = %s where name = %s", sub, name)
        unseen = storage.anne.post(f"/bucket/{bucket}/empty")
        assert unseen.json()["code"] == "NoSuchBucket"
        storage.sql("create policy seen on storage.buckets for select using (true)")
        shown = ("for select using (true)", f"for delete to authenticated {mine}")
        with storage.policies(*shown):
            for someone in (storage.anon, storage.anne):
                assert someone.post(f"/bucket/{bucket}/empty").json() == QUEUED
        left = storage.sql("select name from storage.objects where bucket_id = %s", bucket)
        assert left == [("boris's",)]


class Room:
    """The work of emptying on a database of its own, without a server."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.store = Store(Pool(database.settings().storage_admin_url, size=2))
        self.files = Files(folder)
        config = StorageConfig(folder=folder)
        self.webhooks = Webhooks(self.store, None)
        self.uploads = Uploads(self.store, self.files, config, self.webhooks)
        self.emptying = self.worker()

    def worker(self, most: int = 100, pace: Pace = PACE) -> Emptying:
        return Emptying(self.store, self.uploads, self.webhooks, most=most, batch=2, pace=pace)

    def connect(self) -> psycopg.Connection[tuple[str, ...]]:
        connection = self.database.connect("supabase_admin")
        connection.execute("select set_config('storage.allow_delete_query', 'true', false)")
        return connection

    async def fill(self, *names: str, bucket: str = "b") -> None:
        """Have objects in a bucket, each with its bytes."""

        async def chunks() -> AsyncIterator[bytes]:
            yield b"x"

        with self.connect() as admin:
            admin.execute(
                "insert into storage.buckets (id, name) values (%s, %s)", (bucket, bucket)
            )
            for name in names:
                version = str(uuid4())
                await self.files.write(blob_key(version), chunks())
                admin.execute(
                    "insert into storage.objects (bucket_id, name, version) values (%s, %s, %s)",
                    (bucket, name, version),
                )

    def names(self) -> list[str]:
        with self.connect() as admin:
            rows = admin.execute('select name from storage.objects order by name collate "C"')
            return [row[0] for row in rows.fetchall()]

    def jobs(self) -> int:
        with self.connect() as admin:
            rows = admin.execute("select from gavan.storage_jobs").fetchall()
            return len(rows)

    async def wait_for_attempts(self, count: int) -> None:
        """Return when so many deletions have failed."""

        def attempts() -> int:
            with self.connect() as admin:
                row = admin.execute("select last_value from attempts").fetchone()
                return int(row[0]) if row else 0

        await asyncio.to_thread(wait_until, lambda: attempts() >= count)

    async def blobs(self) -> int:
        return len([found async for found in self.files.list()])


def service() -> Caller:
    scope = {
        "type": "http",
        "method": "POST",
        "raw_path": b"/bucket/b/empty",
        "query_string": b"",
        "headers": [],
    }
    token = token_of("service_role")
    verifier = Verifier(shared_set(Secret(JWT_SECRET)).verifying)
    return caller_of(Request(scope), verifier.verify(token), token)


@pytest_asyncio.fixture
async def room(database: Database, tmp_path: Path) -> AsyncIterator[Room]:
    made = Room(database, tmp_path)
    await made.store.open()
    made.emptying.start()
    yield made
    await made.emptying.stop()
    await made.store.close()


async def test_many_objects_go_batch_after_batch_but_for_those_that_came_later(room: Room) -> None:
    await room.fill("a", "B", "c/d", "é", "z", "later")
    with room.connect() as admin:
        admin.execute(
            "update storage.objects set created_at = now() + interval '1 hour' where name = 'later'"
        )
    await room.emptying.begin(service(), "b")
    assert room.names() == ["later"]
    assert await room.blobs() == 1


async def test_emptying_goes_on_after_a_failure(room: Room) -> None:
    await room.fill("a", "b", "c")
    with room.connect() as admin:
        admin.execute(STUCK)
        asked = asyncio.create_task(room.emptying.begin(service(), "b"))
        again = asyncio.create_task(room.emptying.begin(service(), "b"))
        await room.wait_for_attempts(2)
        assert room.names() == ["a", "b", "c"]
        admin.execute("drop trigger stuck on storage.objects")
    await asyncio.gather(asked, again)
    await asyncio.to_thread(wait_until, lambda: not room.names())
    assert await room.blobs() == 0


async def test_a_bucket_that_cannot_be_emptied_waits_and_the_next_one_is_emptied(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    await room.fill("a")
    await room.fill("z", bucket="c")
    with room.connect() as admin:
        admin.execute(STUCK)
        await room.emptying.begin(service(), "b")  # answers in time, as upstream's queue does
        assert "the bucket b is not emptied" in caplog.text
        await room.emptying.begin(service(), "c")
        await asyncio.to_thread(wait_until, lambda: room.names() == ["a"])
        admin.execute("drop trigger stuck on storage.objects")
    await asyncio.to_thread(wait_until, lambda: not room.names() and not room.jobs())


async def test_a_bucket_that_cannot_be_emptied_for_long_is_given_up(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    await room.fill("a")
    await room.emptying.stop()
    with room.connect() as admin:
        admin.execute(STUCK)
        short = room.worker(pace=replace(PACE, most_age_s=0.2))
        short.start()
        await short.begin(service(), "b")
        await asyncio.to_thread(wait_until, lambda: not room.jobs())
        await short.stop()
    assert "given up" in caplog.text
    assert room.names() == ["a"]


async def test_a_bucket_with_too_many_objects_is_not_emptied(room: Room) -> None:
    await room.fill("a", "b", "c")
    with pytest.raises(StorageError, match="too many objects") as caught:
        await room.worker(most=2).begin(service(), "b")
    assert (caught.value.status, caught.value.code) == (409, "InvalidRequest")
    assert len(room.names()) == 3


async def test_what_is_not_done_when_the_process_ends_is_done_by_the_next(room: Room) -> None:
    await room.fill("a", "b", "c")
    with room.connect() as admin:
        admin.execute(STUCK)
        asked = asyncio.create_task(room.emptying.begin(service(), "b"))
        await room.wait_for_attempts(1)
        await room.emptying.stop()
        await asked
        assert room.names() == ["a", "b", "c"]
        assert await room.blobs() == 3
        admin.execute("drop trigger stuck on storage.objects")
    room.emptying = room.worker()
    room.emptying.start()
    await asyncio.to_thread(wait_until, lambda: not room.names() and not room.jobs())
    assert await room.blobs() == 0


async def test_what_a_killed_process_had_taken_is_done_when_its_time_is_over(room: Room) -> None:
    await room.fill("a", "b", "c")
    await room.emptying.stop()
    await room.emptying.begin(service(), "b")
    taken = await Jobs(room.store).claim(Kind.EMPTY, 1, lease_s=0.5)
    assert [job.payload["bucket"] for job in taken] == ["b"]
    room.emptying = room.worker()
    room.emptying.start()
    await asyncio.to_thread(wait_until, lambda: not room.names() and not room.jobs())


async def test_a_job_holds_no_token(room: Room) -> None:
    await room.fill("a")
    await room.emptying.stop()
    await room.emptying.begin(service(), "b")
    with room.connect() as admin:
        row = admin.execute("select payload::text from gavan.storage_jobs").fetchone()
    assert row is not None
    assert "eyJ" not in row[0]
