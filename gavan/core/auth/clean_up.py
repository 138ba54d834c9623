"""Delete what serves nobody any more, a little after requests that changed something.

Stands beside the application; at most one statement a minute, behind the answer, so that nobody
waits for it. The order is a circle: after some minutes every table had its turn.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from gavan.core.auth.config.auth import AuthConfig
from gavan.core.auth.errors import AuthError
from gavan.core.auth.store import Queries, Store

PAUSE_S = 60.0
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
ALWAYS = (
    "revoked_tokens",
    "ended_sessions",
    "relay_states",
    "flow_states",
    "client_states",
    "challenges",
    "unverified_factors",
    "passkey_challenges",
)
queries = Queries(Path(__file__).parent / "sql" / "clean_up.sql")
logger = logging.getLogger(__name__)


def statements_of(config: AuthConfig) -> tuple[str, ...]:
    """Return the statements that a configuration asks for; pure."""
    found = list(ALWAYS)
    if config.security.deletes_old_anonymous_users and config.external.anonymous_enabled:
        found.append("anonymous_users")
    if config.sessions.timebox_s is not None:
        found.append("old_sessions")
    if config.sessions.inactivity_s is not None:
        found.append("idle_sessions")
    return tuple(found)


class CleanUp:
    """The circle of statements of one process."""

    def __init__(
        self, config: AuthConfig, store: Store, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = {
            "timebox_s": config.sessions.timebox_s,
            "inactivity_s": config.sessions.inactivity_s,
        }
        self._store = store
        self._clock = clock
        self._next = itertools.cycle(statements_of(config))
        self._not_before = clock() + PAUSE_S
        self._task: asyncio.Task[int] | None = None

    def after(self, method: str) -> None:
        """Begin the next statement behind a request, unless one ran within the last minute."""
        if method not in CHANGING or self._clock() < self._not_before:
            return
        self._not_before = self._clock() + PAUSE_S
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self.run_next())

    async def run_next(self) -> int:
        """Run one statement; return how many rows went, none when Postgres did not take it."""
        statement = next(self._next)
        try:
            async with self._store.transaction() as connection:
                gone = await queries.change(connection, statement, **self._limits)
        except (AuthError, psycopg.Error) as error:
            logger.warning("clean-up failed: %s", error, extra={"event": "auth.clean_up_failed"})
            return 0
        if gone:
            logger.info(
                "%s rows cleaned up", gone, extra={"event": "auth.clean_up", "what": statement}
            )
        return gone

    async def close(self) -> None:
        """Wait for the statement under way."""
        if self._task is not None:
            await self._task
