"""The cron unit: `python -m gavan.engines.embedded.cron`, one task per job, one line per run.

Told by variables what to run (`GAVAN_CRON`), where the database is and where to remember the
last runs.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gavan.engines.embedded.cronfile import decode_jobs
from gavan.engines.embedded.cronjob import JobError, run_once
from gavan.engines.embedded.schedule import Calendar
from gavan.stack.model import Cron, Overlap

# Sleeps are short, so that a clock that was set or a machine that woke up is seen soon.
LOOK_S = 20.0
RETRY_S = 1.0
QUEUE_LIMIT = 100


class Memory:
    """The last due moment of every job, in a file that survives restarts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: dict[str, str] = {}
        with suppress(OSError, ValueError):
            self._last = dict(json.loads(path.read_text()))

    def last(self, job: str) -> datetime | None:
        text = self._last.get(job)
        return datetime.fromisoformat(text) if text else None

    def remember(self, job: str, due: datetime) -> None:
        """Keep the moment; a disk that is full costs only the memory."""
        self._last[job] = due.isoformat()
        with suppress(OSError):
            draft = self._path.with_suffix(".tmp")
            draft.write_text(json.dumps(self._last))
            draft.rename(self._path)


class Runner:
    """One job: waits for its moments, applies its overlap rule, retries."""

    def __init__(self, job: Cron, db_url: str, memory: Memory) -> None:
        self._job = job
        self._db_url = db_url
        self._memory = memory
        self._running: asyncio.Task[None] | None = None
        self._queue: asyncio.Queue[datetime] = asyncio.Queue(QUEUE_LIMIT)

    async def run(self) -> None:
        """Give out due moments for ever."""
        job = self._job
        last = self._memory.last(job.name)
        calendar = Calendar(job.schedule, job.tz, catch_up=job.catch_up, last=last)
        while True:
            now = datetime.now(UTC)
            step = calendar.step(now)
            if calendar.last is not None and calendar.last != last:
                last = calendar.last
                self._memory.remember(job.name, last)
            if step.due is not None:
                await self._due(step.due)
            left = (step.until - datetime.now(UTC)).total_seconds()
            await asyncio.sleep(min(max(left, 0.01), LOOK_S))

    async def _due(self, due: datetime) -> None:
        busy = self._running is not None and not self._running.done()
        if busy and self._job.overlap is Overlap.SKIP:
            _say(self._job, due, "skipped", error="the last run has not ended")
            return
        if busy and self._job.overlap is Overlap.QUEUE:
            if self._queue.full():
                _say(self._job, due, "skipped", error="too many runs wait")
            else:
                self._queue.put_nowait(due)
            return
        if busy and self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        self._running = asyncio.create_task(self._work(due), name=self._job.name)

    async def _work(self, due: datetime) -> None:
        await self._attempts(due)
        while not self._queue.empty():
            await self._attempts(self._queue.get_nowait())

    async def _attempts(self, due: datetime) -> None:
        for attempt in range(1, self._job.retries + 2):
            if await self._attempt(due, attempt):
                return
            if attempt <= self._job.retries:
                await asyncio.sleep(RETRY_S * 2 ** (attempt - 1))

    async def _attempt(self, due: datetime, attempt: int) -> bool:
        started = time.monotonic()

        def say(state: str, **more: Any) -> None:
            ms = round((time.monotonic() - started) * 1000)
            _say(self._job, due, state, ms=ms, attempt=attempt, **more)

        try:
            async with asyncio.timeout(self._job.timeout_s):
                facts = await run_once(self._job, self._db_url)
        except TimeoutError:
            say("timeout", error=f"longer than {self._job.timeout_s:g} s")
        except JobError as error:
            say("failed", error=str(error))
        except asyncio.CancelledError:
            say("killed", error="the next run was due, or the stack goes down")
            raise
        except Exception as error:  # noqa: BLE001 - one job must not end the others; it is logged
            say("failed", error=f"{type(error).__name__}: {error}")
        else:
            say("ok", **facts)
            return True
        return False

    def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()


def _say(job: Cron, due: datetime, state: str, **more: Any) -> None:
    """Write one line of JSON about one run."""
    line = {
        "ts": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": "INFO" if state in ("ok", "skipped") else "ERROR",
        "event": "job",
        "job": job.name,
        "due": due.isoformat(timespec="seconds"),
        "state": state,
        **more,
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def serve() -> None:
    """Run all jobs until SIGTERM."""
    jobs = decode_jobs(os.environ["GAVAN_CRON"])
    memory = Memory(Path(os.environ["GAVAN_CRON_STATE"]))
    runners = [Runner(job, os.environ.get("GAVAN_CRON_DB_URL", ""), memory) for job in jobs]
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    tasks = [asyncio.create_task(runner.run()) for runner in runners]
    ends = asyncio.create_task(stop.wait())
    await asyncio.wait([ends, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for runner in runners:
        runner.stop()
    for task in tasks:
        if task.done() and not ends.done():
            task.result()  # a job's loop must not end: its error ends the unit and is logged
        task.cancel()


def main() -> None:
    asyncio.run(serve())


if __name__ == "__main__":
    main()
