"""Token buckets: how often a key may ask, and when it may ask again.

In the memory of this process, as upstream's are: with several core processes each counts alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from time import monotonic

from gavan.core.auth.config.rates import Rate

MOST_KEYS = 50_000
"""Keys remembered per bucket: the longest unseen ones go first, so memory stays bounded."""
NEVER_S = 3600
"""What is said to wait for when a rate of zero never lets anybody through."""


@dataclass(slots=True)
class _Level:
    tokens: float
    at: float


class Buckets:
    """One bucket per key, filled at the rate; pure but for the clock."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._levels: dict[str, _Level] = {}

    def take(self, key: str = "") -> int | None:
        """Take one token; return None, or after how many seconds there will be one."""
        rate = self._rate
        if rate.events <= 0 or rate.burst <= 0:
            return NEVER_S
        now, per_second = self._clock(), rate.events / rate.per_s
        # Taken out and put in again: the order of the dict is the order of the last visits.
        level = self._levels.pop(key, None) or _Level(tokens=rate.burst, at=now)
        tokens = min(float(rate.burst), level.tokens + (now - level.at) * per_second)
        passes = tokens >= 1
        self._levels[key] = _Level(tokens=tokens - passes, at=now)
        if len(self._levels) > MOST_KEYS:
            del self._levels[next(iter(self._levels))]
        return None if passes else max(1, ceil((1 - tokens) / per_second))

    def forget(self, key: str) -> None:
        """Let a key begin with a full bucket."""
        self._levels.pop(key, None)
