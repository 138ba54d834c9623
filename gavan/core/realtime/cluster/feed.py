"""Changes of rows for every process, read from the database by one of them.

The process that holds the lock reads the stream and passes on what the others want; they wait for
the lock, so that one of them goes on when the reader is gone. Whoever reads, each process judges
for its own subscribers.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from gavan.core.realtime.cluster.bus import Bus
from gavan.core.realtime.limits import Limits
from gavan.core.realtime.pgoutput import Change, Relation
from gavan.core.realtime.quota import Quota, Share
from gavan.core.realtime.run import Run
from gavan.core.realtime.source import Sink, Source

log = logging.getLogger(__name__)

TRY_S = 1.0
ANSWER_S = 5.0
RETRY_S = 0.1
WAITING_EVENTS = 10_000


class Wanting(Sink, Protocol):
    """The subscribers of one process."""

    @property
    def tables(self) -> Iterable[int]:
        """Oids of the tables that somebody listens to."""


class Feed:
    """Brings changes to ``sink``, from the stream or from the process that reads it.

    Args:
        url: superuser with REPLICATION.
        limits: of the service.
        bus: the line to the others.
        is_alone: says that there are none.
    """

    def __init__(
        self, url: str, limits: Limits, bus: Bus, sink: Wanting, is_alone: Callable[[], bool]
    ) -> None:
        self._bus = bus
        self._sink = sink
        self._is_alone = is_alone
        self._source = Source(url, limits, self)
        self._task: asyncio.Task[None] | None = None
        self._taker: asyncio.Task[None] | None = None
        self._events: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue(WAITING_EVENTS)
        self._again = asyncio.Event()
        self._reads = False
        self._flows = False
        self._reader: str | None = None
        self._wanted: dict[str, frozenset[int]] = {}
        self._met: dict[int, float] = {}
        self._run = Run()
        self._quota = Quota(limits.changes_per_transaction)
        self._answers: dict[int, asyncio.Future[None]] = {}
        self._questions = 0

    def start(self) -> None:
        """Begin, unless it runs already."""
        if self._task is None:
            self._task = asyncio.create_task(self._elect())
            self._taker = asyncio.create_task(self._take_events())

    async def stop(self) -> None:
        """End the stream, and the wait for it."""
        tasks = [task for task in (self._task, self._taker) if task is not None]
        self._task = self._taker = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._source.stop()
        self._reads = False
        self._reader = None
        self._events, self._run = asyncio.Queue(WAITING_EVENTS), Run()
        # Nobody else tells it where another process read.
        await self._sink.lose()

    async def announce(self, tables: Iterable[int]) -> None:
        """Return when changes of these tables, too, will come from whoever reads."""
        if self._reads or self._reader is None:
            return
        self._questions += 1
        answer = self._answers[self._questions] = asyncio.get_running_loop().create_future()
        wanted = sorted({*self._sink.tables, *tables})
        self._bus.say({"k": "want", "n": self._questions, "tables": wanted, "to": self._reader})
        try:
            async with asyncio.timeout(ANSWER_S):
                await answer
        except TimeoutError:
            # A reader that is gone is found out soon, and everybody is subscribed anew.
            log.warning("reader_silent", extra={"reader": self._reader})
        finally:
            del self._answers[self._questions]

    # What the others say.

    def hear(self, sender: str, message: Mapping[str, Any]) -> None:
        """Take a message about changes."""
        match message["k"]:
            case "want" if message["to"] == self._bus.name:
                self._wanted[sender] = frozenset(message["tables"])
                self._bus.say({"k": "wanted", "n": message["n"], "to": sender})
            case "wanted" if message["to"] == self._bus.name:
                answer = self._answers.get(message["n"])
                if answer is not None and not answer.done():
                    answer.set_result(None)
            case "flows" if sender != self._reader:  # else it is a newcomer who is told
                self._reader = sender
                self._put({"k": "begin"})
            case "ends" if sender == self._reader:
                self._reader = None
                self._put({"k": "lose"})
                self._again.set()
            case "meet" | "change" if sender == self._reader:
                self._put(message)

    def greet(self) -> None:
        """Tell a process that is new whether changes flow from here."""
        if self._reads and self._flows:
            self._bus.say({"k": "flows"})

    def forget(self, process: str) -> None:
        """A process is gone."""
        self._wanted.pop(process, None)
        if process == self._reader:
            self._reader = None
            self._put({"k": "lose"})
        self._again.set()

    def lose_line(self) -> None:
        """The line broke, and the lock with it: somebody else may read now."""
        self._source.drop()
        self._reads = False
        self._wanted.clear()
        if self._reader is not None:
            self._reader = None
            self._put({"k": "lose"})

    # What the stream brings to the process that reads it.

    async def begin(self) -> None:
        """See Sink."""
        await self._sink.begin()
        self._flows = True
        self._bus.say({"k": "flows"})

    def wants(self, relation: Relation, action: str) -> bool:
        """See Sink."""
        return self._sink.wants(relation, action) or self._is_wanted_elsewhere(relation)

    async def meet(self, relation: Relation) -> None:
        """See Sink."""
        if not self._is_alone():
            # The others cannot want a table before they have met it.
            self._met[relation.oid] = time.monotonic() + ANSWER_S
            self._bus.say({"k": "meet", **_relation(relation)})
        await self._sink.meet(relation)

    async def take(self, changes: Sequence[Change]) -> int:
        """See Sink."""
        relation, action = changes[0].relation, changes[0].action
        taken = len(changes)
        if self._sink.wants(relation, action):
            taken = await self._sink.take(changes)
        # After what may fail: a run that comes again must not reach the others twice.
        if self._is_wanted_elsewhere(relation):
            for change in changes[:taken]:
                if self._is_told(change):
                    await self._bus.ease()
                    self._bus.say({"k": "change", **_change(change)})
        return taken

    async def lose(self) -> None:
        """See Sink."""
        self._flows = False
        self._bus.say({"k": "ends"})
        await self._sink.lose()

    def _is_told(self, change: Change) -> bool:
        # The others count for themselves: the first that is too many must reach them.
        return change.relation.is_message or self._quota.share(change) is not Share.NOTHING

    def _is_wanted_elsewhere(self, relation: Relation) -> bool:
        if self._is_alone():
            return False
        if relation.is_message or any(relation.oid in tables for tables in self._wanted.values()):
            return True
        if relation.oid in self._met and self._met[relation.oid] < time.monotonic():
            del self._met[relation.oid]
        return relation.oid in self._met

    # Who reads, and what comes to the others.

    async def _elect(self) -> None:
        while True:
            if not self._reads and await self._bus.try_lock():
                self._reads = True
                self._reader = None
                self._source.start()
            self._again.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(TRY_S):
                    await self._again.wait()

    def _put(self, event: Mapping[str, Any]) -> None:
        if self._taker is None:
            return
        try:
            self._events.put_nowait(event)
        except asyncio.QueueFull:
            # Too slow for the reader: what waits is let go, and everybody fetches anew.
            log.warning("changes_dropped", extra={"waiting": WAITING_EVENTS})
            while not self._events.empty():
                self._events.get_nowait()
            self._events.put_nowait({"k": "begin"})

    async def _take_events(self) -> None:
        while True:
            event = await self._events.get()
            try:
                await self._take_event(event)
                if self._events.empty():
                    await self._finish()
            except Exception:
                log.exception("change_not_taken")
                self._run = Run()
                await asyncio.sleep(RETRY_S)
                # What was lost with it nobody can say: everybody fetches anew.
                if self._reader is not None:
                    self._put({"k": "begin"})

    async def _take_event(self, event: Mapping[str, Any]) -> None:
        change = _to_change(event) if event["k"] == "change" else None
        if change is None or not self._run.fits(change):
            await self._finish()
        if change is not None:
            self._run.add(change)
            return
        match event["k"]:
            case "begin":
                await self._sink.begin()
            case "lose":
                await self._sink.lose()
            case "meet":
                await self._sink.meet(_to_relation(event))

    async def _finish(self) -> None:
        while self._run.changes:
            first, taken = self._run.changes[0], len(self._run.changes)
            if self._sink.wants(first.relation, first.action):
                taken = await self._sink.take(self._run.changes)
            self._run.drop(taken)


def _relation(relation: Relation) -> dict[str, object]:
    return {"oid": relation.oid, "schema": relation.schema, "table": relation.name}


def _change(change: Change) -> dict[str, object]:
    return {
        **_relation(change.relation),
        "action": change.action,
        "xid": change.transaction_id,
        "at": change.committed_at,
        "new": change.new,
        "old": change.old,
        "size": change.size_bytes,
    }


def _to_relation(event: Mapping[str, Any]) -> Relation:
    return Relation(event["oid"], event["schema"], event["table"], "", ())


def _to_change(event: Mapping[str, Any]) -> Change:
    return Change(
        relation=_to_relation(event),
        action=event["action"],
        transaction_id=event["xid"],
        committed_at=event["at"],
        new=event["new"],
        old=event["old"],
        size_bytes=event["size"],
    )
