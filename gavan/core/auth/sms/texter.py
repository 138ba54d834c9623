"""The door through which every flow sends text messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gavan.core.auth.model import Row
from gavan.core.auth.store import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Sms:
    """One message; ``phone`` without ``+``.

    Args:
        otp: the code in clear.
        sms_type: verification, phone_change, reauthentication or mfa, told to the hook.
        channel: sms or whatsapp.
        template: what it says, with ``{{ .Code }}``; empty for the configured one.
    """

    phone: str
    otp: str
    user: Row
    sms_type: str = ""
    channel: str = "sms"
    template: str = ""


class Texter(Protocol):
    """Sends, through the hook or a provider; numbers of the test map get nothing."""

    def test_otp(self, phone: str) -> str | None:
        """Return the code that stands in the test map for a number, as long as it holds."""

    async def send(self, connection: Connection, sms: Sms) -> str:
        """Return the provider's id of the message, ``test-otp`` for a number of the test map.

        Raises:
            AuthError: 429 ``over_sms_send_rate_limit``, 422 ``sms_send_failed``, 500 when there is
                no provider, or what the hook answered.
        """
