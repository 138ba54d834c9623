"""What mails say, whether they are needed, and how they leave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from gavan.core.auth.config.environ import Environ
from gavan.kit.smtp import SmtpServer

LINKS = ("invite", "confirmation", "recovery", "email_change")
"""Mails whose link may lead elsewhere than to /verify; a magic link takes recovery's path."""
MAILS = (*LINKS, "magic_link", "reauthentication")
NOTICES = (
    "password_changed",
    "email_changed",
    "phone_changed",
    "identity_linked",
    "identity_unlinked",
    "mfa_factor_enrolled",
    "mfa_factor_unenrolled",
)
"""Mails after the fact, off unless they are switched on."""
KINDS = (*MAILS, *NOTICES)
_SUFFIX = "_notification"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailConfig:
    """Durations in seconds; the values of a local Supabase stack are the defaults.

    ``templates`` are files by kind, ``subjects`` texts by kind, both in Go's template language;
    ``paths`` are where links lead other than to /verify of the service. With an ``inbox_dir``
    nothing leaves the machine, whatever ``smtp`` says.
    """

    autoconfirm: bool = True
    allows_unverified_sign_ins: bool = False
    double_confirm_changes: bool = True
    otp_length: int = 6
    otp_lifetime_s: int = 3600
    max_frequency_s: float = 1.0
    smtp: SmtpServer | None = None
    sender: str = "admin@localhost"
    sender_name: str = ""
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    subjects: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)
    paths: Mapping[str, str] = field(default_factory=dict)
    notices: frozenset[str] = frozenset()
    external_hosts: tuple[str, ...] = ()
    inbox_dir: str = ""


def read_mail(environ: Environ, inbox_dir: str) -> MailConfig:
    """Return the section; ``inbox_dir`` is empty where mails are not caught."""
    default = MailConfig()
    return MailConfig(
        autoconfirm=environ.flag("MAILER_AUTOCONFIRM", default.autoconfirm),
        allows_unverified_sign_ins=environ.flag("MAILER_ALLOW_UNVERIFIED_EMAIL_SIGN_INS", False),
        double_confirm_changes=environ.flag(
            "MAILER_SECURE_EMAIL_CHANGE_ENABLED", default.double_confirm_changes
        ),
        otp_length=environ.digits("MAILER_OTP_LENGTH", default.otp_length),
        otp_lifetime_s=environ.count("MAILER_OTP_EXP", default.otp_lifetime_s)
        or default.otp_lifetime_s,
        max_frequency_s=environ.duration_s("SMTP_MAX_FREQUENCY", default.max_frequency_s),
        smtp=_smtp(environ),
        sender=environ.text("SMTP_ADMIN_EMAIL", default.sender),
        sender_name=environ.text("SMTP_SENDER_NAME"),
        headers=environ.parsed("SMTP_HEADERS", {}, _headers),
        subjects=_by_kind(environ, "MAILER_SUBJECTS_"),
        templates=_by_kind(environ, "MAILER_TEMPLATES_"),
        paths={
            kind: path
            for kind in LINKS
            if (path := environ.text(f"MAILER_URLPATHS_{kind.upper()}")) not in {"", "/verify"}
        },
        notices=frozenset(
            kind
            for kind in NOTICES
            if environ.flag(f"MAILER_NOTIFICATIONS_{kind.upper()}_ENABLED", False)
        ),
        external_hosts=environ.names("MAILER_EXTERNAL_HOSTS"),
        inbox_dir=inbox_dir,
    )


def _smtp(environ: Environ) -> SmtpServer | None:
    host = environ.text("SMTP_HOST")
    if not host:
        return None
    security = environ.text("SMTP_SECURITY", "auto").lower()
    if security not in {"auto", "starttls", "tls", "none"}:
        environ.refuse("SMTP_SECURITY", "one of auto, starttls, tls, none is expected")
    return SmtpServer(
        host=host,
        port=environ.count("SMTP_PORT", 587),
        user=environ.text("SMTP_USER"),
        password=environ.secret("SMTP_PASS"),
        security=security,
        timeout_s=environ.duration_s("SMTP_TIMEOUT", 8.0),
    )


def _by_kind(environ: Environ, prefix: str) -> dict[str, str]:
    found = {}
    for kind in KINDS:
        suffix = _SUFFIX if kind in NOTICES else ""
        text = environ.text(f"{prefix}{kind}{suffix}".upper())
        if text:
            found[kind] = text
    return found


def _headers(text: str) -> dict[str, tuple[str, ...]]:
    try:
        read = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError("a JSON object of lists of texts is expected") from error
    if not isinstance(read, dict) or not all(isinstance(values, list) for values in read.values()):
        raise ValueError("a JSON object of lists of texts is expected")
    return {name: tuple(str(value) for value in values) for name, values in read.items()}
