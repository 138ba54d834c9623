"""Remove all objects of a bucket, little by little, beside the requests.

Upstream queues a job (object-admin-delete-all-before.ts). Here one task of the process does it,
bucket after bucket: rows first, some hundred at a time, then their bytes. Objects that come in
after the request stay. What is not done when the process ends is left as it was.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path

import orjson

from gavan.core.storage.caller import Caller
from gavan.core.storage.errors import StorageError, no_such_bucket
from gavan.core.storage.store import Queries, Store
from gavan.core.storage.uploads.uploads import Uploads

OPERATION = "storage.bucket.empty"
MOST_OBJECTS = 200_000
BATCH = 500
ANSWER_S = 2.0
"""A bucket that is empty within this time is so when the request is answered"""
ATTEMPTS = 6
PAUSE_S = 0.5
_queries = Queries(Path(__file__).parent / "buckets.sql")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """``before`` is the time of the request as Postgres tells it."""

    caller: Caller
    bucket: str
    before: str
    done: asyncio.Event


class Emptying:
    """The buckets that are to be emptied, and the one task that does so.

    Args:
        most: objects that one bucket may have.
        pause_s: before the second attempt after a failure; it doubles with each.
    """

    def __init__(
        self,
        store: Store,
        uploads: Uploads,
        *,
        most: int = MOST_OBJECTS,
        batch: int = BATCH,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._store = store
        self._uploads = uploads
        self._most = most
        self._batch = batch
        self._pause_s = pause_s
        self._wishes: dict[tuple[str, str, str | None], _Wish] = {}
        self._task: asyncio.Task[None] | None = None

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

    async def stop(self) -> None:
        """Leave what is not done."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _add(self, caller: Caller, bucket: str) -> None:
        now = await self._store.read_as_owner(_queries("now"))
        before = (now.values[0][0] or b"").decode()
        # A wish that waits already is replaced by the later one, which covers it.
        place = (bucket, caller.role, caller.sub)
        waiting = self._wishes.get(place)
        done = waiting.done if waiting else asyncio.Event()
        self._wishes[place] = _Wish(caller=caller, bucket=bucket, before=before, done=done)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())
        try:
            async with asyncio.timeout(ANSWER_S):
                await done.wait()
        except TimeoutError:
            return

    async def _work(self) -> None:
        while self._wishes:
            wish = self._wishes.pop(next(iter(self._wishes)))
            try:
                await self._empty(wish)
            except Exception:
                logger.exception(
                    "the bucket %s is not emptied",
                    wish.bucket,
                    extra={"event": "storage.empty_failed", "bucket": wish.bucket},
                )
            finally:
                wish.done.set()

    async def _empty(self, wish: _Wish) -> None:
        after: str | None = ""
        failures = 0
        while after is not None:
            try:
                after = await self._remove_some(wish, after)
                failures = 0
            except StorageError:
                failures += 1
                if failures == ATTEMPTS:
                    raise
                await asyncio.sleep(self._pause_s * 2 ** (failures - 1))

    async def _remove_some(self, wish: _Wish, after: str) -> str | None:
        """Remove the next objects; return the last name looked at, None at the end."""
        statement = _queries("delete_some", wish.bucket, wish.before, after, self._batch)
        rows = await self._store.as_caller(wish.caller, OPERATION, statement)
        last, versions = rows.values[0]
        await self._uploads.forget(orjson.loads(versions or b"[]"))
        return None if last is None else last.decode()
