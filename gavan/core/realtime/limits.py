"""Limits of the service and the counters that watch them.

Rates are averages of 5 s buckets over at most a minute, looked at when a bucket closes, so a short
burst passes (`supabase/realtime:lib/realtime/rate_counter/rate_counter.ex`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

BUCKET_S = 5.0
BUCKETS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Defaults of the first release; sizes in bytes, durations in seconds, rates per second."""

    connections: int = 1000
    channels_per_socket: int = 100
    joins_per_s: float = 200
    messages_per_s: float = 5000
    presence_messages_per_s: float = 500
    presence_calls: int = 5
    presence_calls_window_s: float = 30
    broadcast_bytes: int = 3_000_000
    change_bytes: int = 1_048_576
    changes_per_transaction: int = 10_000
    frame_bytes: int = 5_000_000
    idle_s: float = 60
    no_channel_s: float = 600
    token_check_s: float = 300
    ready_s: float = 60
    """How long a channel that asked for it waits for the stream to run"""
    stream_idle_s: float = 600
    publication_refresh_s: float = 60
    queue_bytes: int = 8 * 1024 * 1024
    queue_frames: int = 1000
    inbox_messages: int = 1000
    is_private_only: bool = False
    is_durable: bool = False
    """Changes are kept in a slot of the server while nobody reads them"""
    rejoin_s: float = 5
    """How long the reader of a durable slot waits at first for clients that come back"""
    lag_bytes: int = 256 * 1024 * 1024
    """Lag of the slot from which a warning is logged"""
    connect_error_pause_s: float = 0
    """The reference waits 2 s in production and not at all in development."""
    join_error_pause_s: float = 0
    """The reference waits 5 s in production; must stay under the client's timeout of 10 s."""


class Rate:
    """Events per second, averaged."""

    def __init__(self, limit: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._closed: deque[int] = deque(maxlen=BUCKETS)
        self._open = 0
        self._since = clock()
        self._average = 0.0

    def add(self, count: int = 1) -> None:
        """Count events that happened now."""
        self._roll()
        self._open += count

    @property
    def average(self) -> float:
        """Events per second over the closed buckets."""
        self._roll()
        return self._average

    @property
    def limit(self) -> float:
        """The allowed average."""
        return self._limit

    @property
    def exceeded(self) -> bool:
        """The average of the closed buckets is over the limit."""
        return self.average > self._limit

    def _roll(self) -> None:
        elapsed = self._clock() - self._since
        if elapsed < BUCKET_S:
            return
        for _ in range(min(int(elapsed / BUCKET_S), BUCKETS + 1)):
            self._closed.append(self._open)
            self._open = 0
        self._since += int(elapsed / BUCKET_S) * BUCKET_S
        self._average = sum(self._closed) / (len(self._closed) * BUCKET_S)


class Window:
    """At most ``limit`` calls within the last ``window_s`` seconds."""

    def __init__(
        self, limit: int, window_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._window_s = window_s
        self._clock = clock
        self._calls: deque[float] = deque()

    def allow(self) -> bool:
        """Count a call; False once there are too many."""
        now = self._clock()
        while self._calls and now - self._calls[0] > self._window_s:
            self._calls.popleft()
        self._calls.append(now)
        return len(self._calls) <= self._limit
