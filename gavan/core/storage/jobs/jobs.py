"""Work that outlives the request that made it necessary, and the process: rows of storage_jobs.

Whoever takes a job has it for some seconds. One that dies meanwhile leaves it to the next, so a job
may be done twice and is never lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson

from gavan.core.storage.store import OWNER, Queries, Store
from gavan.database.session import Ending

_queries = Queries(Path(__file__).parent / "jobs.sql")


class Kind(StrEnum):
    """What there is to be done."""

    WEBHOOK = "webhook"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One that was taken, for the ``attempts``-th time; ``payload`` belongs to its kind."""

    id: int
    payload: Any
    attempts: int
    age_s: float


def adding(kind: Kind, payloads: Sequence[Any]) -> Ending:
    """Return what adds jobs at the end of a transaction that makes them necessary."""
    return Ending(role=OWNER, statement=_queries("add", kind, list(payloads)))


class Jobs:
    """The rows. All methods raise StorageError while Postgres cannot be asked."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, kind: Kind, payload: Any) -> int:
        """Add one job that is due now; return its id."""
        rows = await self._store.as_owner(_queries("add", kind, [payload]))
        return int(rows.values[0][0] or 0)

    async def claim(self, kind: Kind, most: int, lease_s: float) -> list[Job]:
        """Take jobs that are due; nobody else gets them within ``lease_s``."""
        rows = await self._store.as_owner(_queries("claim", kind, most, str(lease_s)))
        jobs = [
            Job(
                id=int(number or 0),
                payload=orjson.loads(payload or b"null"),
                attempts=int(attempts or 0),
                age_s=float(age_s or 0),
            )
            for number, payload, attempts, age_s in rows.values
        ]
        return sorted(jobs, key=lambda job: job.id)

    async def next_due_s(self, kind: Kind) -> float | None:
        """Return in how many seconds a job will be due, None while there is none."""
        rows = await self._store.read_as_owner(_queries("next_due", kind))
        seconds = rows.values[0][0]
        return None if seconds is None else float(seconds)

    async def done(self, ids: Sequence[int]) -> None:
        """Forget jobs."""
        await self._store.as_owner(_queries("done", list(ids)))

    async def put_off(self, ids: Sequence[int], seconds: float) -> None:
        """Let jobs be taken in so many seconds."""
        await self._store.as_owner(_queries("put_off", list(ids), str(seconds)))

    async def give_up(self, kind: Kind, age_s: float) -> int:
        """Forget the jobs that nobody has and that are so old; return how many those were."""
        rows = await self._store.as_owner(_queries("give_up", kind, str(age_s)))
        return int(rows.values[0][0] or 0)
