"""One task that does the jobs of one kind: at once when it is woken, again when that failed.

Tries of a job grow apart from each other, and when nothing of a round was done the whole kind
pauses: a receiver or a store that is down is not asked by every job there is. What nobody could do
within a day is given up, with a line in the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from gavan.core.storage.errors import StorageError
from gavan.core.storage.jobs.jobs import Job, Jobs, Kind

WATCH_S = 60.0
"""How often jobs are looked for that nobody told of: those of a core that died"""
logger = logging.getLogger(__name__)


class JobFailed(Exception):
    """A job could not be done now; the text says what and why, without secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How many jobs at once, and for how many seconds.

    ``lease_s`` is what one try may take. A failed job waits ``pause_s`` and twice as long each
    time, ``most_wait_s`` at most; a kind that fails altogether likewise, ``most_pause_s`` at most.
    """

    at_once: int
    lease_s: float = 30.0
    pause_s: float = 1.0
    most_pause_s: float = 30.0
    most_wait_s: float = 300.0
    most_age_s: float = 24 * 3600.0


class Worker:
    """``do`` raises JobFailed, or StorageError, for what is to be tried again."""

    def __init__(
        self, jobs: Jobs, kind: Kind, do: Callable[[Job], Awaitable[None]], pace: Pace
    ) -> None:
        self._jobs = jobs
        self._kind = kind
        self._do = do
        self._pace = pace
        self._pause_s = 0.0
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin with what is there."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Put back what is not done."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def wake(self) -> None:
        """Tell that there may be jobs."""
        self._woken.set()

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                await self._round()
            except StorageError as error:  # Postgres is away: the pool has said so
                logger.debug("jobs of kind %s wait: %s", self._kind, error.message)
                self._grow_pause()
            if self._pause_s:
                await asyncio.sleep(self._pause_s)

    async def _round(self) -> None:
        pace = self._pace
        taken = await self._jobs.claim(self._kind, pace.at_once, pace.lease_s)
        if not taken:
            self._pause_s = 0.0
            await self._wait()
            return
        failed = await self._attempt(taken)
        if len(failed) < len(taken):
            self._pause_s = 0.0
        else:
            self._grow_pause()
            self._tell_of(await self._jobs.give_up(self._kind, pace.most_age_s))

    async def _wait(self) -> None:
        """Return when there may be something to do."""
        due_s = await self._jobs.next_due_s(self._kind)
        wait_s = WATCH_S if due_s is None else min(max(due_s, 0.0), WATCH_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._woken.wait()

    async def _attempt(self, jobs: Sequence[Job]) -> list[Job]:
        """Do jobs at the same time; return those that failed."""
        left = {job.id: job for job in jobs}
        try:
            await asyncio.gather(*(self._try(job, left) for job in jobs))
        except asyncio.CancelledError:
            with suppress(StorageError):
                await self._settle(jobs, left, is_ending=True)
            raise
        await self._settle(jobs, left)
        return list(left.values())

    async def _try(self, job: Job, left: dict[int, Job]) -> None:
        level = logging.WARNING if job.attempts == 1 else logging.DEBUG
        told = {"event": "storage.job_failed", "kind": self._kind, "attempts": job.attempts}
        try:
            await self._do(job)
        except (JobFailed, StorageError) as error:
            logger.log(level, "to be tried again: %s", error, extra=told)
        except Exception:
            logger.exception("to be tried again", extra=told)
        else:
            del left[job.id]

    async def _settle(
        self, jobs: Sequence[Job], left: dict[int, Job], *, is_ending: bool = False
    ) -> None:
        """Forget what is done and what is too old; let the others wait."""
        pace = self._pace
        too_old = [job.id for job in left.values() if job.age_s >= pace.most_age_s]
        over = [job.id for job in jobs if job.id not in left]
        if over or too_old:
            await self._jobs.done([*over, *too_old])
        self._tell_of(len(too_old))
        waits: dict[float, list[int]] = defaultdict(list)
        for job in left.values():
            wait_s = min(pace.pause_s * 2.0 ** min(job.attempts - 1, 30), pace.most_wait_s)
            waits[0.0 if is_ending else wait_s].append(job.id)
        for seconds, ids in waits.items():
            await self._jobs.put_off(ids, seconds)

    def _grow_pause(self) -> None:
        pace = self._pace
        self._pause_s = min(max(self._pause_s * 2, pace.pause_s), pace.most_pause_s)

    def _tell_of(self, given_up: int) -> None:
        if given_up:
            logger.error(
                "%d jobs of kind %s are given up: they failed for %d s",
                *(given_up, self._kind, self._pace.most_age_s),
                extra={"event": "storage.jobs_given_up", "kind": self._kind},
            )
