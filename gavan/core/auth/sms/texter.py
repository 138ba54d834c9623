"""The door through which every flow sends text messages: test map, rate, hook, provider.

Of GoTrue's five providers Twilio is spoken; the others are reached through the send_sms hook.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from gavan.core.auth.config.auth import AuthConfig
from gavan.core.auth.config.sms import TEMPLATE
from gavan.core.auth.errors import AuthError, validation_failed
from gavan.core.auth.guard.buckets import Buckets
from gavan.core.auth.hooks.hooks import Hooks
from gavan.core.auth.hooks.payloads import send_sms
from gavan.core.auth.mail.template.evaluate import Plain, render
from gavan.core.auth.mail.template.nodes import TemplateError
from gavan.core.auth.mail.template.parse import parse
from gavan.core.auth.model import Row
from gavan.core.auth.show import show_user
from gavan.core.auth.sms.twilio import SmsError, Twilio
from gavan.core.auth.store import Connection
from gavan.kit.outbound import Outbound

TEST_ID = "test-otp"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sms:
    """One message; ``phone`` without ``+``.

    Args:
        otp: the code in clear.
        sms_type: what it is for, as errors and the hook say it: confirmation, phone_change,
            reauthentication or mfa.
        channel: sms or whatsapp.
        template: what it says, with ``{{ .Code }}``; empty for the configured one.
    """

    phone: str
    otp: str
    user: Row
    sms_type: str = "confirmation"
    channel: str = "sms"
    template: str = ""


class Texter:
    """Sends through the hook or Twilio; numbers of the test map get nothing."""

    def __init__(
        self,
        config: AuthConfig,
        hooks: Hooks,
        outbound: Outbound,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._config = config.sms
        self._hooks = hooks
        self._now = now
        self._rate = Buckets(config.rates.sms_sent)
        self._twilio = Twilio(self._config.twilio, outbound) if self._config.twilio else None

    def test_otp(self, phone: str) -> str | None:
        """Return the code that stands in the test map for a number, as long as it holds."""
        until = self._config.test_otp_until
        if until is not None and self._now() >= until:
            return None
        return self._config.test_otp.get(phone)

    def channel_of(self, text: str) -> str:
        """Return how messages travel, ``sms`` when nothing is said; a hook takes any way.

        Raises:
            AuthError: 400 for a way that is not offered.
        """
        channel = text or "sms"
        is_offered = channel == "sms" or (channel == "whatsapp" and self._twilio is not None)
        if not is_offered and not self._hooks.has("send_sms"):
            raise validation_failed(
                "Invalid channel, supported values are 'sms' or 'whatsapp'. 'whatsapp' is only"
                " supported if Twilio or Twilio Verify is used as the provider."
            )
        return channel

    async def send(self, connection: Connection, sms: Sms) -> str:
        """Return the provider's id of the message, ``test-otp`` for a number of the test map.

        Raises:
            AuthError: 429 ``over_sms_send_rate_limit``, 422 ``sms_send_failed``, 500 when there is
                no provider, or what the hook answered.
        """
        if self.test_otp(sms.phone) is not None:
            return TEST_ID
        self._check_rate()
        if self._hooks.has("send_sms"):
            user = await show_user(connection, sms.user)
            payload = send_sms(user, sms.phone, sms.otp, _told_type(sms.sms_type))
            await self._hooks.call("send_sms", payload, connection)
            return ""
        if self._twilio is None:
            raise AuthError(500, "unexpected_failure", "Unable to get SMS provider")
        try:
            return await self._twilio.send(
                phone=sms.phone, text=self._text(sms), otp=sms.otp, channel=sms.channel
            )
        except SmsError as error:
            logger.warning("a text message was not sent: %s", error, extra={"event": "sms.failed"})
            raise AuthError(
                422,
                "sms_send_failed",
                f"Error sending {sms.sms_type} OTP to provider: {error}",
            ) from error

    def _check_rate(self) -> None:
        # Counted also where numbers are confirmed by themselves, other than upstream: every
        # message costs, and sign-in by code sends them there too.
        wait_s = self._rate.take()
        if wait_s is not None:
            raise AuthError(
                429, "over_sms_send_rate_limit", "SMS rate limit exceeded", retry_after_s=wait_s
            )

    def _text(self, sms: Sms) -> str:
        data = {"Code": sms.otp}
        try:
            return render(parse(sms.template or self._config.template), data, Plain())
        except TemplateError as error:
            logger.warning(
                "the built-in text message is sent: %s", error, extra={"event": "sms.template"}
            )
            return render(parse(TEMPLATE), data, Plain())


def _told_type(sms_type: str) -> str:
    # Only a second factor is named to the hook (supabase/auth:internal/api/phone.go, mfa.go).
    return sms_type if sms_type == "mfa" else ""
