"""How many wrong codes may be tried for one address, factor or user, whoever tries.

Limits per IP do not bound the guesses of somebody with many of them, or where no proxy names the
client. Stands under everything that takes a short code.
"""

from __future__ import annotations

from gavan.core.auth.config.rates import Rate
from gavan.core.auth.errors import AuthError
from gavan.core.auth.guard.buckets import Buckets

GUESSES = Rate(events=10, per_s=600.0, burst=10)


class Guesses:
    """Counts tries by key, in the memory of this process."""

    def __init__(self) -> None:
        self._buckets = Buckets(GUESSES)

    def take(self, key: str) -> None:
        """Count a try; raise AuthError 429 when there were too many."""
        wait_s = self._buckets.take(key)
        if wait_s is not None:
            raise AuthError(
                429,
                "over_request_rate_limit",
                "Request rate limit reached",
                retry_after_s=wait_s,
            )

    def forget(self, key: str) -> None:
        """Count from the beginning: the code was right."""
        self._buckets.forget(key)
