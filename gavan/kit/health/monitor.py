"""Asks every check in the background, one question at a time, and keeps the last answers.

Stands above model.py. However often health is asked for, and however long a database hangs, no
more than one question per check is on its way.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import FrameType, TracebackType
from typing import Any

from gavan.kit.health.model import About, Check, Outcome, read_about

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When this process began, on two clocks."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    ticks: float = field(default_factory=time.monotonic)


class Health:
    """The health of this process; ``async with`` it for as long as the process serves.

    Args:
        checks: what is asked.
        about: None reads the environment.
        linger_s: how long the process still listens after SIGTERM, in seconds: a proxy that asks
            meanwhile hears 503 and sends nobody here any more. 0 ends at once.
    """

    def __init__(
        self, checks: Sequence[Check] = (), *, about: About | None = None, linger_s: float = 0.0
    ) -> None:
        self.checks = tuple(checks)
        self.about = about or read_about()
        self.began = Moment()
        self.outcomes: dict[str, Outcome] = {}
        self.is_draining = False
        self._linger_s = linger_s
        self._tasks: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()
        self._before: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def status(self) -> str:
        """``draining``, ``starting`` until every required check was answered once, ``not_ready``
        when one of them fails, else ``ready``."""
        if self.is_draining:
            return "draining"
        required = [self.outcomes.get(check.name) for check in self.checks if check.required]
        if any(outcome is None for outcome in required):
            return "starting"
        return "ready" if all(outcome and outcome.ok for outcome in required) else "not_ready"

    @property
    def degraded(self) -> list[str]:
        """The names of optional checks that fail."""
        return [check.name for check in self.checks if not check.required
                and not self._is_ok(check.name)]  # fmt: skip

    def _is_ok(self, name: str) -> bool:
        outcome = self.outcomes.get(name)
        return outcome is None or outcome.ok

    def drain(self) -> None:
        """From now on this process is not ready; what it does already, it finishes."""
        self.is_draining = True
        self._tell()

    async def changes(self) -> AsyncIterator[str]:
        """Yield the status now and whenever it, or the answer to a check, has changed."""
        while True:
            changed = self._changed
            yield self.status
            await changed.wait()

    async def __aenter__(self) -> Health:
        """Begin to ask, and listen for SIGTERM beside the server's own handler."""
        self._loop = asyncio.get_running_loop()
        self._tasks = [asyncio.create_task(self._ask_for_ever(check)) for check in self.checks]
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._on_term)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop asking; a question that hangs is let go."""
        self.drain()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._before is not None and signal.getsignal(signal.SIGTERM) == self._on_term:
            signal.signal(signal.SIGTERM, self._before)

    def _on_term(self, number: int, frame: FrameType | None) -> None:
        """Tell of the end at once, and let the server know of it ``linger_s`` later."""
        self.is_draining = True
        loop = self._loop
        if loop is None:
            return
        # A signal may come in the middle of anything the loop does: all else waits its turn.
        loop.call_soon_threadsafe(self._tell)
        ending = (self._linger_s, self._hand_on, number, frame)
        loop.call_soon_threadsafe(loop.call_later, *ending)

    def _hand_on(self, number: int, frame: FrameType | None) -> None:
        before = self._before
        if callable(before):
            before(number, frame)
        elif before == signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    async def _ask_for_ever(self, check: Check) -> None:
        while True:
            began = time.monotonic()
            asking = asyncio.ensure_future(_answer(check))
            try:
                await asyncio.wait({asking}, timeout=check.timeout_s)
                self._note(check, began, asking)
                # One that hangs is not asked again before it has ended, by itself or by this.
                if not asking.done():
                    asking.cancel()
                    await asyncio.wait({asking})
            finally:
                asking.cancel()
            await asyncio.sleep(check.every_s)

    def _note(self, check: Check, began: float, asking: asyncio.Future[object]) -> None:
        now = time.monotonic()
        error: str | None = None
        if not asking.done():
            error = "TimeoutError"
        elif asking.cancelled():
            error = "CancelledError"
        elif (raised := asking.exception()) is not None:
            error = type(raised).__name__
            log.debug("health check %s failed", check.name, exc_info=raised)
        before = self.outcomes.get(check.name)
        ms = round((now - began) * 1000)
        self.outcomes[check.name] = Outcome(ok=error is None, ms=ms, at=now, error=error)
        if before is None or before.ok != (error is None):
            level = logging.INFO if error is None else logging.WARNING
            log.log(level, "health check %s: %s", check.name, error or "ok")
            self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


async def _answer(check: Check) -> object:
    return await check.ask()


@contextlib.asynccontextmanager
async def watching(health: Health) -> AsyncIterator[None]:
    """Be the lifespan of an app: ``FastAPI(lifespan=lambda app: watching(health))``."""
    async with health:
        yield
