"""How soon one user may ask for another mail or message; pure."""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil

from gavan.core.auth.errors import AuthError


def check_frequency(
    sent_at: datetime | None,
    frequency_s: float,
    code: str = "over_email_send_rate_limit",
    now: datetime | None = None,
) -> None:
    """Raise AuthError 429 when the last one was sent less than ``frequency_s`` ago.

    Args:
        code: ``over_email_send_rate_limit`` or ``over_sms_send_rate_limit``.
    """
    if sent_at is None:
        return
    left_s = frequency_s - ((now or datetime.now(UTC)) - sent_at).total_seconds()
    if left_s > 0:
        raise AuthError(
            429,
            code,
            f"For security purposes, you can only request this after {int(left_s)} seconds.",
            retry_after_s=max(1, ceil(left_s)),
        )
