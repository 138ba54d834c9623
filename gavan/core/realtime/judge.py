"""Who gets which change: Postgres's judgement, and what is done when it fails or takes too long.

Stands between the dispatcher of changes and the connection of ``visibility``. Filters and policies
are the users': one that never ends, or always fails, must cost the others little.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import monotonic

import psycopg

from gavan.core.realtime.run import MOST
from gavan.core.realtime.subscriptions import Grouped
from gavan.core.realtime.visibility import Delivery, Question, Visibility

log = logging.getLogger(__name__)

QUICK_S, SLOW_S = 0.05, 0.2
JUDGE_S = 5.0
"""How long one change that makes trouble may hold up the next"""
REST_FIRST_S, REST_LAST_S = 5.0, 3600.0
MOST_RESTING = 10_000
LOCK_LOOK_S, LOCK_WAIT_S = 0.1, 60.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """Who gets what, and the groups (by number) for whom nobody could say."""

    deliveries: Sequence[Delivery]
    unjudged: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class _Rest:
    until: float
    seconds: float


class Judge:
    """Puts changes to Postgres, as many at once as it answers quickly."""

    def __init__(self, visibility: Visibility) -> None:
        self._visibility = visibility
        self._resting: dict[bytes, _Rest] = {}
        self.together = 1
        """How many changes to ask about at once"""

    async def judge(self, question: Question, grouped: Grouped) -> Judgement | None:
        """Return who gets what; None where several changes must be asked about one by one.

        What fails or takes too long is split, so that one bad filter or policy costs only its own
        group; a group that fails alone, or has no turn within JUDGE_S, is not judged, and one that
        has a filter of its own is left out for a while then. As long as a lock of somebody else
        closes the table, this waits.
        Raises psycopg.OperationalError when the connection is lost.
        """
        awake, resting = self._awake(question, grouped)
        began = monotonic()
        try:
            judgement = Judgement(await self._ask(question, grouped, awake), resting)
        except psycopg.Error as error:
            self._consider(error, question, "change_split")
            self.together = 1
            if len(question.changes) > 1:
                return None
            judgement = await self._split(question, grouped, awake, resting)
        else:
            self._adapt(len(question.changes), monotonic() - began)
        if judgement.unjudged:
            await self._wait_for_commit(question)
        return judgement

    async def _split(
        self, question: Question, grouped: Grouped, awake: Sequence[int], resting: Sequence[int]
    ) -> Judgement:
        deadline = monotonic() + JUDGE_S
        deliveries: list[Delivery] = []
        unjudged = list(resting)
        for number in awake:
            found = None
            if monotonic() < deadline:
                found = await self._ask_alone(question, grouped, number)
            if found is None:
                unjudged.append(number)
            else:
                deliveries += found
        return Judgement(deliveries, unjudged)

    async def _ask_alone(
        self, question: Question, grouped: Grouped, number: int
    ) -> list[Delivery] | None:
        try:
            found = await self._ask(question, grouped, [number])
        except psycopg.Error as error:
            self._consider(error, question, "change_not_judged")
            if grouped.is_filtered(number):
                self._let_rest(_key(question, grouped, number))
            return None
        self._resting.pop(_key(question, grouped, number), None)
        return found

    async def _ask(
        self, question: Question, grouped: Grouped, asked: Sequence[int]
    ) -> list[Delivery]:
        if len(asked) == len(grouped.members):
            return await self._deliver(question, grouped)
        found = await self._deliver(question, grouped.only(asked)) if asked else []
        return [replace(one, groups=tuple(asked[number] for number in one.groups)) for one in found]

    async def _deliver(self, question: Question, grouped: Grouped) -> list[Delivery]:
        until = monotonic() + LOCK_WAIT_S
        while True:
            try:
                return await self._visibility.deliver(question, grouped)
            except psycopg.errors.QueryCanceled:
                is_late = monotonic() > until
                if is_late or not await self._visibility.is_closed(question.relation):
                    raise
            await asyncio.sleep(LOCK_LOOK_S)

    async def _wait_for_commit(self, question: Question) -> None:
        """Return when what could not be judged can be fetched."""
        try:
            await self._visibility.wait_for_commit(question.changes[-1])
        except psycopg.Error as error:
            self._consider(error, question, "commit_not_awaited")

    def _awake(self, question: Question, grouped: Grouped) -> tuple[Sequence[int], Sequence[int]]:
        """Return the groups to ask about and those that are left out."""
        numbers = range(len(grouped.members))
        now = monotonic()
        resting = {key for key, rest in self._resting.items() if rest.until > now}
        if not resting:
            return numbers, ()
        is_out = [_key(question, grouped, one) in resting for one in numbers]
        return [one for one in numbers if not is_out[one]], [one for one in numbers if is_out[one]]

    def _let_rest(self, key: bytes) -> None:
        now = monotonic()
        before = self._resting.pop(key, _Rest(now, REST_FIRST_S / 2))
        seconds = min(before.seconds * 2, REST_LAST_S)
        self._resting[key] = _Rest(now + seconds, seconds)
        if len(self._resting) > MOST_RESTING:
            del self._resting[next(iter(self._resting))]

    def _adapt(self, count: int, took_s: float) -> None:
        if took_s > SLOW_S:
            self.together = max(1, count // 2)
        elif took_s < QUICK_S and count == self.together:
            self.together = min(MOST, count * 2)

    def _consider(self, error: psycopg.Error, question: Question, event: str) -> None:
        """Tell an error that is one of the question; raise it if the connection is lost."""
        if not self._visibility.is_connected:
            raise error
        # Not the whole error: its context may hold the row.
        relation = question.relation
        why = {"sqlstate": error.sqlstate, "why": error.diag.message_primary}
        log.warning(event, extra={"table": f"{relation.schema}.{relation.name}", **why})


def _key(question: Question, grouped: Grouped, number: int) -> bytes:
    """Return what names a group whatever the others are."""
    return b"%d %s" % (question.relation.oid, grouped.key(number))
