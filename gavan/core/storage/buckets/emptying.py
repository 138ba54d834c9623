"""Remove all objects of a bucket, little by little, beside the requests.

As upstream (object-admin-delete-all-before.ts) a request leaves a job, which outlives the process.
One task of each core does them, bucket after bucket: rows first, some hundred at a time, then their
bytes. Objects that come in after the request stay.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from gavan.core.storage.caller import Caller, Origin
from gavan.core.storage.errors import StorageError, no_such_bucket
from gavan.core.storage.jobs.jobs import Job, Jobs, Kind
from gavan.core.storage.jobs.worker import JobFailed, Pace, Worker
from gavan.core.storage.store import Queries, Store
from gavan.core.storage.uploads.uploads import Uploads
from gavan.core.storage.webhooks.events import Event, Subject, removed, told_metadata
from gavan.core.storage.webhooks.webhooks import Webhooks
from gavan.database.session import Rows

OPERATION = "storage.bucket.empty"
MOST_OBJECTS = 200_000
BATCH = 500
ANSWER_S = 2.0
"""A bucket that is empty within this time is so when the request is answered"""
PACE = Pace(at_once=1)
_KEPT = ("role", "sub", "claims_json", "method", "path")
"""What of the caller is kept for later: no token, and no header, which may hold one"""
_queries = Queries(Path(__file__).parent / "buckets.sql")


class Emptying:
    """The buckets that are to be emptied, and the one task that does so.

    Args:
        most: objects that one bucket may have.
        batch: objects that one statement removes.
        pace: of the tries.
    """

    def __init__(
        self,
        store: Store,
        uploads: Uploads,
        webhooks: Webhooks,
        *,
        most: int = MOST_OBJECTS,
        batch: int = BATCH,
        pace: Pace = PACE,
    ) -> None:
        self._store = store
        self._uploads = uploads
        self._webhooks = webhooks
        self._most = most
        self._batch = batch
        self._lease_s = pace.lease_s
        self._jobs = Jobs(store)
        self._worker = Worker(self._jobs, Kind.EMPTY, self._do, pace)
        self._waiting: dict[int, asyncio.Event] = {}

    def start(self) -> None:
        """Go on with what a former process left."""
        self._worker.start()

    async def stop(self) -> None:
        """Stop; what is not done stays to be done."""
        await self._worker.stop()

    async def begin(self, caller: Caller, bucket: str) -> None:
        """Empty a bucket as the caller, of what the caller may delete.

        Returns when it is empty or after two seconds, while the work goes on.

        Raises:
            StorageError: the bucket is missing or not shown, or has too many objects.
        """
        statement = _queries("count", bucket, self._most + 1)
        rows = await self._store.read_as_caller(caller, OPERATION, statement)
        if not rows.values:
            raise no_such_bucket()
        count = int(rows.values[0][0] or 0)
        if count > self._most:
            raise StorageError(
                409,
                "InvalidRequest",
                "Unable to empty the bucket because it contains too many objects",
            )
        if count:
            await self._add(caller, bucket)

    async def _add(self, caller: Caller, bucket: str) -> None:
        now = await self._store.read_as_owner(_queries("now"))
        job_id = await self._jobs.add(
            Kind.EMPTY,
            {
                "bucket": bucket,
                "before": (now.values[0][0] or b"").decode(),
                "caller": {name: getattr(caller, name) for name in _KEPT},
                "origin": asdict(caller.origin),
            },
        )
        done = self._waiting[job_id] = asyncio.Event()
        self._worker.wake()
        try:
            async with asyncio.timeout(ANSWER_S):
                await done.wait()
        except TimeoutError:
            return
        finally:
            del self._waiting[job_id]

    async def _do(self, job: Job) -> None:
        try:
            await self._empty(job)
        except StorageError as error:
            bucket = job.payload["bucket"]
            raise JobFailed(f"the bucket {bucket} is not emptied: {error.message}") from error
        if job.id in self._waiting:
            self._waiting[job.id].set()

    async def _empty(self, job: Job) -> None:
        loop = asyncio.get_running_loop()
        kept_at = loop.time()
        after: str | None = ""
        while after is not None:
            after = await self._remove_some(job.payload, after)
            if loop.time() - kept_at > self._lease_s / 3:
                await self._jobs.put_off([job.id], self._lease_s)
                kept_at = loop.time()

    async def _remove_some(self, wish: dict[str, Any], after: str) -> str | None:
        """Remove the next objects; return the last name looked at, None at the end."""
        statement = _queries("delete_some", wish["bucket"], wish["before"], after, self._batch)
        note = self._webhooks.noting(lambda rows: _told(wish, rows))
        caller = Caller(**wish["caller"], token="", headers_json="{}", is_known=True)
        rows = await self._store.as_caller(caller, OPERATION, statement, check=note)
        self._webhooks.tell()
        await self._uploads.forget([row["version"] for row in _gone(rows)])
        last = rows.values[0][0]
        return None if last is None else last.decode()


def _gone(rows: Rows) -> list[dict[str, Any]]:
    gone: list[dict[str, Any]] = orjson.loads(rows.values[0][1] or b"[]")
    return gone


def _told(wish: dict[str, Any], rows: Rows) -> list[list[Event]]:
    """Return what a webhook is told of the objects that went."""
    origin = Origin(**wish["origin"])
    subjects = (
        Subject(
            bucket_id=wish["bucket"],
            name=row["name"],
            version=row["version"],
            metadata=told_metadata(row["metadata"]),
        )
        for row in _gone(rows)
    )
    return [[removed("Delete", subject, origin)] for subject in subjects]
