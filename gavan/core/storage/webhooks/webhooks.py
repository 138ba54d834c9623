"""The webhook of the stack: what changes leave for it, and the task that brings it there.

An event is written in the transaction of the change it tells of: both are there after COMMIT, or
neither is, also after kill -9. It is told after that, beside the requests, until it is taken.
Without a webhook nothing is written and nothing runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gavan.core.storage.config import WebhookConfig
from gavan.core.storage.jobs.jobs import Jobs, Kind, adding
from gavan.core.storage.jobs.worker import Pace, Worker
from gavan.core.storage.store import Store
from gavan.core.storage.webhooks.delivery import Delivery
from gavan.core.storage.webhooks.events import Event
from gavan.database.session import Ending, Rows
from gavan.kit.outbound import Outbound

AT_ONCE = 16
Note = Callable[[Rows], Ending | None]


class Webhooks:
    """``webhook`` None: there is none. ``host`` is that of the stack, as the world sees it."""

    def __init__(self, store: Store, webhook: WebhookConfig | None, host: str = "") -> None:
        self._outbound = Outbound()
        self._worker: Worker | None = None
        if webhook is not None:
            delivery = Delivery(webhook, host, self._outbound)
            pace = Pace(at_once=AT_ONCE)
            self._worker = Worker(Jobs(store), Kind.WEBHOOK, delivery.deliver, pace)

    def start(self) -> None:
        """Begin with what a former process left."""
        if self._worker is not None:
            self._worker.start()

    async def stop(self) -> None:
        """Stop; what is not told stays."""
        if self._worker is not None:
            await self._worker.stop()
        await self._outbound.close()

    def noting(self, events: Callable[[Rows], Sequence[Sequence[Event]]]) -> Note | None:
        """Return what writes events down before the COMMIT of a change; None when nobody is told.

        Args:
            events: makes them of the rows that changed; those of one list are told in its order.
        """
        if self._worker is None:
            return None

        def note(rows: Rows) -> Ending | None:
            made = events(rows)
            return adding(Kind.WEBHOOK, made) if made else None

        return note

    def tell(self) -> None:
        """Tell what was written down, now that it is committed."""
        if self._worker is not None:
            self._worker.wake()
