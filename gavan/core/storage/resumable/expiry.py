"""Remove uploads that nobody went on with, in the background: one small task of each core.

Only uploads that no request holds are touched; several cores may look at once, the turn of each
upload decides. What a killed process leaves behind is also found by ``gavan storage sweep``.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from gavan.core.storage.commons import Commons
from gavan.core.storage.errors import StorageError
from gavan.core.storage.resumable.states import State, States, now
from gavan.core.storage.resumable.turns import Turns
from gavan.kit.storage.provider import ProviderError

LOOK_LEAST_S = 1.0
LOOK_MOST_S = 300.0
logger = logging.getLogger(__name__)


class Expiry:
    """Looks as often as uploads live, at least every five minutes."""

    def __init__(self, commons: Commons, turns: Turns) -> None:
        self._commons = commons
        self._turns = turns
        self._states = States(commons.provider)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def remove_expired(self) -> int:
        """Remove the uploads whose time is over; return how many those were.

        Raises ProviderError when the store of blobs fails.
        """
        removed = 0
        moment = now() - self._commons.config.resumable_s
        async for state in self._states.begun_before(moment):
            with suppress(StorageError):  # somebody holds it, or Postgres cannot be asked
                async with self._turns.hold(state.version, wait_s=0):
                    await self._remove(state)
                    removed += 1
        return removed

    async def _run(self) -> None:
        pause = min(max(LOOK_LEAST_S, self._commons.config.resumable_s), LOOK_MOST_S)
        while True:
            await asyncio.sleep(pause)
            try:
                removed = await self.remove_expired()
            except ProviderError as error:
                logger.warning("expired uploads stay for now: %s", error)
                continue
            if removed:
                logger.info("%d expired uploads are removed", removed)

    async def _remove(self, state: State) -> None:
        # One that is a blob and no object is the sweep's: only it compares blobs with rows.
        await self._commons.provider.discard(state.handle)
        await self._states.forget(state.version)
