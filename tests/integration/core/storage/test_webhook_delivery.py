"""Events reach a webhook that is slow, fails, is away, or is told by a core that was killed."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from gavan.core.storage.caller import Origin
from gavan.core.storage.config import WebhookConfig
from gavan.core.storage.jobs.jobs import Jobs, Kind
from gavan.core.storage.jobs.worker import Pace, Worker
from gavan.core.storage.store import Store
from gavan.core.storage.webhooks.delivery import Delivery
from gavan.core.storage.webhooks.events import Event, Subject, created
from gavan.database.pool import Pool
from gavan.kit.outbound import Outbound
from gavan.kit.secret import Secret
from tests.conftest import Database
from tests.integration.core.storage.conftest import OPTIONS, Storage, running_storage
from tests.integration.core.storage.webhook_receiver import (
    API_KEY,
    TOKEN,
    Receiver,
    jobs,
    receiver,
)
from tests.local_http import Heard, Reply, local_server
from tests.ports import free_port
from tests.servers import wait_until

PACE = Pace(at_once=4, lease_s=5.0, pause_s=0.02, most_pause_s=0.05, most_wait_s=0.1)


def upload(storage: Storage, bucket: str, name: str) -> httpx.Response:
    answer = storage.service.post(f"/object/{bucket}/{name}", content=b"x")
    assert answer.status_code == 200, answer.text
    return answer


def names(events: list[Event]) -> list[str]:
    return [event["payload"]["name"] for event in events]


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


def test_without_a_webhook_nothing_is_written(storage: Storage) -> None:
    bucket = storage.bucket()
    upload(storage, bucket, "a")
    storage.service.delete(f"/object/{bucket}/a")
    assert storage.sql("select from gavan.storage_jobs") == []


def test_a_request_is_answered_while_the_webhook_is_still_being_told(
    database: Database, tmp_path: Path
) -> None:
    answered = threading.Event()

    def answer(_heard: Heard) -> Reply:
        answered.wait(30)
        return Reply()

    with local_server(answer) as server:
        options = {"WEBHOOK_URL": server.url}
        with running_storage(database, tmp_path, options) as storage:
            upload(storage, storage.bucket(), "a")
            wait_until(lambda: len(server.heard) == 1)
            assert len(jobs(storage)) == 1
            answered.set()
            wait_until(lambda: not jobs(storage))
    assert len(server.heard) == 1


def test_a_core_that_is_killed_tells_at_its_next_start_what_it_had_promised(
    database: Database, tmp_path: Path
) -> None:
    nowhere = {"WEBHOOK_URL": f"http://127.0.0.1:{free_port()}/", "WEBHOOK_API_KEY": API_KEY}
    with running_storage(database, tmp_path, OPTIONS | nowhere) as storage:
        bucket = storage.bucket()
        for name in ("a", "b", "c"):
            upload(storage, bucket, name)
        storage.service.delete(f"/object/{bucket}/a")
        os.kill(storage.live.pid, signal.SIGKILL)
    assert len(jobs(storage)) == 4
    storage.sql("update gavan.storage_jobs set due_at = now()")  # half a minute later
    with receiver() as hook, running_storage(database, tmp_path, hook.options) as storage:
        wait_until(lambda: not jobs(storage))
        told = [(event["type"], event["payload"]["name"]) for event in hook.events()]
    assert sorted(told) == [
        ("ObjectCreated:Post", "a"),
        ("ObjectCreated:Post", "b"),
        ("ObjectCreated:Post", "c"),
        ("ObjectRemoved:Delete", "a"),
    ]


def test_no_secret_of_the_webhook_is_in_the_log_or_in_the_database(
    database: Database, tmp_path: Path, hook: Receiver
) -> None:
    hook.status = 500
    options = hook.options | {"GAVAN_LOG_LEVEL": "DEBUG"}
    with running_storage(database, tmp_path, options) as storage:
        bucket = storage.bucket()
        upload(storage, bucket, "a")
        wait_until(lambda: bool(hook.server.heard))
        hook.status = 200
        wait_until(lambda: not jobs(storage))
        hook.status = 500
        upload(storage, bucket, "b")
        wait_until(lambda: "of b" in storage.log.read_text())
        kept = str(storage.sql("select j::text from gavan.storage_jobs j"))
    log = storage.log.read_text()
    assert f"ObjectCreated:Post of {bucket}/a: the webhook answered 500" in log
    for text in (log, kept):
        assert TOKEN not in text
        assert API_KEY not in text


def test_a_webhook_that_is_no_address_stops_the_start(database: Database, tmp_path: Path) -> None:
    options = {"WEBHOOK_URL": f"ftp://x/{TOKEN}"}
    with (
        pytest.raises(AssertionError, match="WEBHOOK_URL is not an http or https address") as told,
        running_storage(database, tmp_path, options),
    ):
        pass
    assert TOKEN not in str(told.value)


class Desk:
    """The worker of the webhook over a database of its own, without a server."""

    def __init__(self, database: Database, url: str) -> None:
        self.database = database
        self.store = Store(Pool(database.settings().storage_admin_url, size=2))
        self.jobs = Jobs(self.store)
        self.outbound = Outbound()
        self.delivery = Delivery(
            WebhookConfig(url=Secret(url), api_key=Secret("")), "h", self.outbound
        )
        self.workers: list[Worker] = []

    def work(self, pace: Pace = PACE) -> Worker:
        worker = Worker(self.jobs, Kind.WEBHOOK, self.delivery.deliver, pace)
        worker.start()
        self.workers.append(worker)
        return worker

    async def add(self, *events: str) -> None:
        """Have a job that tells of objects of these names."""
        told = [
            created(
                "Post",
                Subject(bucket_id="b", name=name, version="v", metadata=None),
                Origin(),
                upload_type="standard",
            )
            for name in events
        ]
        await self.jobs.add(Kind.WEBHOOK, told)

    async def wait_until_done(self) -> None:
        await asyncio.to_thread(wait_until, lambda: self.left() == 0)

    def left(self) -> int:
        with psycopg.connect(self.database.url("supabase_admin")) as connection:
            row = connection.execute("select count(*) from gavan.storage_jobs").fetchone()
            return int(row[0]) if row else 0


@pytest.fixture
async def desk(database: Database, hook: Receiver) -> AsyncIterator[Desk]:
    made = Desk(database, hook.server.url)
    await made.store.open()
    yield made
    for worker in made.workers:
        await worker.stop()
    await made.outbound.close()
    await made.store.close()


@pytest.mark.parametrize("status", [404, 500, 302])
async def test_what_was_not_taken_is_told_again_and_only_there(
    desk: Desk, hook: Receiver, status: int
) -> None:
    elsewhere = {"location": f"{hook.server.url}/elsewhere"}
    hook.answer = lambda _heard: Reply(status=status, headers=elsewhere)
    await desk.add("a")
    desk.work()
    await asyncio.to_thread(wait_until, lambda: len(hook.server.heard) > 1)
    assert desk.left() == 1
    hook.answer = None
    await desk.wait_until_done()
    first, *others = hook.events()
    assert all(event == first for event in others)
    assert {heard.path for heard in hook.server.heard} == {"/"}


async def test_two_cores_tell_many_events_once_each(desk: Desk, hook: Receiver) -> None:
    expected = [f"o{number}" for number in range(60)]
    for name in expected:
        await desk.add(name)
    desk.work()
    desk.work()
    await desk.wait_until_done()
    assert sorted(names(hook.events())) == sorted(expected)


async def test_the_second_event_of_a_job_waits_for_the_first(desk: Desk, hook: Receiver) -> None:
    hook.status = 503
    await desk.add("first", "second")
    desk.work()
    await asyncio.to_thread(wait_until, lambda: len(hook.server.heard) >= 2)
    assert set(names(hook.events())) == {"first"}
    hook.status = 200
    await desk.wait_until_done()
    assert names(hook.events())[-2:] == ["first", "second"]


async def test_an_event_that_is_never_taken_holds_up_no_other(desk: Desk, hook: Receiver) -> None:
    hook.answer = lambda heard: Reply(status=422 if b"poison" in heard.body else 200)
    await desk.add("poison")
    for number in range(10):
        await desk.add(f"o{number}")
    desk.work()
    await asyncio.to_thread(wait_until, lambda: desk.left() == 1)
    assert {f"o{number}" for number in range(10)} < set(names(hook.events()))


async def test_what_nobody_took_for_a_day_is_given_up(
    desk: Desk, hook: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    hook.status = 500
    for number in range(20):
        await desk.add(f"o{number}")
    with psycopg.connect(desk.database.url("supabase_admin")) as connection:
        connection.execute("update gavan.storage_jobs set created_at = now() - interval '25 h'")
    desk.work()
    await desk.wait_until_done()
    assert "given up" in caplog.text
    assert len(hook.server.heard) == PACE.at_once  # one round of tries, and no more


async def test_a_webhook_that_is_away_is_asked_less_and_less(desk: Desk, hook: Receiver) -> None:
    hook.status = 500
    for number in range(50):
        await desk.add(f"o{number}")
    worker = desk.work(Pace(at_once=2, pause_s=60.0, most_pause_s=60.0))
    await asyncio.to_thread(wait_until, lambda: len(hook.server.heard) == 2)
    await asyncio.to_thread(wait_until, lambda: taken(desk) == 2)
    worker.wake()
    await asyncio.sleep(0)
    assert len(hook.server.heard) == 2


def taken(desk: Desk) -> int:
    with psycopg.connect(desk.database.url("supabase_admin")) as connection:
        query = "select count(*) from gavan.storage_jobs where due_at > now() + interval '40 s'"
        row = connection.execute(query).fetchone()
        return int(row[0]) if row else 0


async def test_an_answer_without_end_is_an_answer(desk: Desk, hook: Receiver) -> None:
    hook.answer = lambda _heard: Reply(body=b"x" * 1_000_000)
    await desk.add("a")
    desk.work()
    await desk.wait_until_done()
    assert names(hook.events()) == ["a"]


async def test_the_worker_goes_on_when_postgres_comes_back(
    desk: Desk, hook: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="gavan.core.storage.jobs.worker")
    with psycopg.connect(desk.database.url("supabase_admin"), autocommit=True) as admin:
        admin.execute("alter table gavan.storage_jobs rename to away")
        desk.work()
        await asyncio.to_thread(wait_until, lambda: "jobs of kind webhook wait" in caplog.text)
        admin.execute("alter table gavan.away rename to storage_jobs")
    await desk.add("a")
    await desk.wait_until_done()
    assert names(hook.events()) == ["a"]
