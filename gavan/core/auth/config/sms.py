"""What text messages say and who sends them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gavan.core.auth.config.environ import Environ
from gavan.kit.secret import Secret

PROVIDERS = ("twilio", "twilio_verify", "messagebird", "textlocal", "vonage")
"""Names GoTrue knows; see gavan.core.auth.sms for those that are spoken here."""
TEMPLATE = "Your code is {{ .Code }}"
TWILIO_URL = "https://api.twilio.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioConfig:
    """An account; ``sender`` is a messaging service or a number."""

    account: str
    token: Secret
    sender: str
    content_sid: str = ""
    url: str = TWILIO_URL


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsConfig:
    """Durations in seconds; the values of a local Supabase stack are the defaults.

    ``test_otp`` has codes by phone number without ``+``; they hold until ``test_otp_until``, for
    ever when that is None, and are never sent.
    """

    autoconfirm: bool = True
    otp_length: int = 6
    otp_lifetime_s: int = 6000
    max_frequency_s: float = 5.0
    provider: str = ""
    template: str = TEMPLATE
    test_otp: Mapping[str, str] = field(default_factory=dict, repr=False)
    test_otp_until: datetime | None = None
    twilio: TwilioConfig | None = None


def read_sms(environ: Environ) -> SmsConfig:
    """Return the section."""
    default = SmsConfig()
    provider = environ.text("SMS_PROVIDER")
    if provider and provider not in PROVIDERS:
        environ.refuse("SMS_PROVIDER", f"one of {', '.join(PROVIDERS)} is expected")
    return SmsConfig(
        autoconfirm=environ.flag("SMS_AUTOCONFIRM", default.autoconfirm),
        otp_length=environ.digits("SMS_OTP_LENGTH", default.otp_length),
        otp_lifetime_s=environ.count("SMS_OTP_EXP", default.otp_lifetime_s)
        or default.otp_lifetime_s,
        max_frequency_s=environ.duration_s("SMS_MAX_FREQUENCY", default.max_frequency_s),
        provider=provider,
        template=environ.text("SMS_TEMPLATE", TEMPLATE),
        test_otp={_phone(key): code for key, code in environ.pairs("SMS_TEST_OTP").items()},
        test_otp_until=environ.moment("SMS_TEST_OTP_VALID_UNTIL"),
        twilio=_twilio(environ) if provider == "twilio" else None,
    )


def _phone(text: str) -> str:
    return text.replace("+", "").replace(" ", "")


def _twilio(environ: Environ) -> TwilioConfig | None:
    account = environ.text("SMS_TWILIO_ACCOUNT_SID")
    token = environ.secret("SMS_TWILIO_AUTH_TOKEN")
    sender = environ.text("SMS_TWILIO_MESSAGE_SERVICE_SID")
    if not account or token is None or not sender:
        environ.refuse(
            "SMS_PROVIDER",
            "twilio needs SMS_TWILIO_ACCOUNT_SID, _AUTH_TOKEN and _MESSAGE_SERVICE_SID",
        )
        return None
    return TwilioConfig(
        account=account,
        token=token,
        sender=sender,
        content_sid=environ.text("SMS_TWILIO_CONTENT_SID"),
        # A name of ours: Twilio's regional hosts, and tests.
        url=environ.text("SMS_TWILIO_URL", TWILIO_URL).rstrip("/"),
    )
