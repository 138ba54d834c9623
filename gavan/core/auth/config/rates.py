"""How often things may be asked for, per address and on the whole server."""

from __future__ import annotations

from dataclasses import dataclass

from gavan.core.auth.config.environ import Environ
from gavan.core.auth.duration import parse_duration_s

FIVE_MINUTES_S = 300.0
HOUR_S = 3600.0
UNLIMITED_PER_HOUR = 360_000
"""What a local Supabase stack says for mails that only its inbox gets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """``events`` in ``per_s`` seconds; ``burst`` of them may come at once."""

    events: float
    per_s: float
    burst: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class RateConfig:
    """Buckets per address count only when ``header`` names the header the address is read from.

    ``header`` has to be one that the proxy in front sets and clients cannot.
    """

    header: str = ""
    anonymous: Rate = Rate(events=30, per_s=HOUR_S)
    otp: Rate = Rate(events=30, per_s=FIVE_MINUTES_S)
    token: Rate = Rate(events=150, per_s=FIVE_MINUTES_S)
    verify: Rate = Rate(events=30, per_s=FIVE_MINUTES_S)
    mfa: Rate = Rate(events=15, per_s=60.0)
    sso: Rate = Rate(events=30, per_s=FIVE_MINUTES_S)
    web3: Rate = Rate(events=30, per_s=FIVE_MINUTES_S)
    passkey: Rate = Rate(events=30, per_s=FIVE_MINUTES_S)
    mail_sent: Rate = Rate(events=UNLIMITED_PER_HOUR, per_s=HOUR_S, burst=UNLIMITED_PER_HOUR)
    sms_sent: Rate = Rate(events=30, per_s=HOUR_S)


def read_rates(environ: Environ, *, sends_mail: bool) -> RateConfig:
    """Return the section; mails that leave the machine are limited unless told otherwise."""
    default = RateConfig()
    mails = sent_rate("30") if sends_mail else default.mail_sent
    return RateConfig(
        header=environ.text("RATE_LIMIT_HEADER"),
        anonymous=_anonymous(environ),
        otp=_per(environ, "RATE_LIMIT_OTP", default.otp),
        token=_per(environ, "RATE_LIMIT_TOKEN_REFRESH", default.token),
        verify=_per(environ, "RATE_LIMIT_VERIFY", default.verify),
        mfa=_per(environ, "MFA_RATE_LIMIT_CHALLENGE_AND_VERIFY", default.mfa),
        sso=_per(environ, "RATE_LIMIT_SSO", default.sso),
        web3=_per(environ, "RATE_LIMIT_WEB3", default.web3),
        passkey=_per(environ, "RATE_LIMIT_PASSKEY", default.passkey),
        mail_sent=environ.parsed("RATE_LIMIT_EMAIL_SENT", mails, sent_rate),
        sms_sent=environ.parsed("RATE_LIMIT_SMS_SENT", default.sms_sent, sent_rate),
    )


def sent_rate(text: str) -> Rate:
    """Return the rate of ``30`` (an hour) or ``30/10m``; all of it may come at once."""
    events, slash, per = text.partition("/")
    try:
        count = float(events)
    except ValueError as error:
        raise ValueError("a number an hour or number/duration is expected") from error
    if not 0 <= count < float("inf"):
        raise ValueError("a number of zero or more is expected")
    per_s = parse_duration_s(per) if slash else HOUR_S
    if per_s <= 0:
        raise ValueError("a duration above zero is expected")
    return Rate(events=count, per_s=per_s, burst=int(count))


def _per(environ: Environ, name: str, default: Rate) -> Rate:
    return Rate(events=environ.number(name, default.events), per_s=default.per_s)


def _anonymous(environ: Environ) -> Rate:
    events = environ.number("RATE_LIMIT_ANONYMOUS_USERS", 30)
    return Rate(events=events, per_s=HOUR_S, burst=int(events))
