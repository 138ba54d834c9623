"""[core.auth] to the variables of GoTrue, which the core reads; pure.

Stands beside build.py; the same names serve a stack file and a GoTrue container.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gavan.stack.model import EnvValue

Values = dict[str, Any]
Pairs = Iterator[tuple[str, Any]]

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"
_SYMBOLS = """!@#$%^&*()_+-=[]{};'\\\\:"|<>?,./`~"""
"""With the escape that a colon needs in the list of sets."""
_CHARACTERS = {
    "": "",
    "letters_digits": f"{_LETTERS}{_LETTERS.upper()}:{_DIGITS}",
    "lower_upper_letters_digits": f"{_LETTERS}:{_LETTERS.upper()}:{_DIGITS}",
    "lower_upper_letters_digits_symbols": (f"{_LETTERS}:{_LETTERS.upper()}:{_DIGITS}:{_SYMBOLS}"),
}
_PLAIN = {
    "jwt_expiry": "JWT_EXP",
    "jwt_issuer": "JWT_ISSUER",
    "enable_anonymous_sign_ins": "EXTERNAL_ANONYMOUS_USERS_ENABLED",
    "enable_manual_linking": "SECURITY_MANUAL_LINKING_ENABLED",
    "enable_refresh_token_rotation": "SECURITY_REFRESH_TOKEN_ROTATION_ENABLED",
    "refresh_token_reuse_interval": "SECURITY_REFRESH_TOKEN_REUSE_INTERVAL",
    "minimum_password_length": "PASSWORD_MIN_LENGTH",
    "check_leaked_passwords": "PASSWORD_HIBP_ENABLED",
    "private_provider_hosts": "CUSTOM_OAUTH_PRIVATE_HOSTS",
}
_EMAIL = {
    "enable_signup": "EXTERNAL_EMAIL_ENABLED",
    "double_confirm_changes": "MAILER_SECURE_EMAIL_CHANGE_ENABLED",
    "secure_password_change": "SECURITY_UPDATE_PASSWORD_REQUIRE_REAUTHENTICATION",
    "require_current_password": "SECURITY_UPDATE_PASSWORD_REQUIRE_CURRENT_PASSWORD",
    "max_frequency": "SMTP_MAX_FREQUENCY",
    "otp_length": "MAILER_OTP_LENGTH",
    "otp_expiry": "MAILER_OTP_EXP",
}
_SMTP = ("host", "port", "user", "pass", "admin_email", "sender_name", "security")
_SMS = {
    "enable_signup": "EXTERNAL_PHONE_ENABLED",
    "template": "SMS_TEMPLATE",
    "max_frequency": "SMS_MAX_FREQUENCY",
}
_TWILIO = ("account_sid", "auth_token", "message_service_sid")
_FACTOR = ("enroll_enabled", "verify_enabled", "otp_length", "template", "max_frequency")
_SESSIONS = ("timebox", "inactivity_timeout", "allow_low_aal", "single_per_user")
_RATES = {
    "header": "HEADER",
    "email_sent": "EMAIL_SENT",
    "sms_sent": "SMS_SENT",
    "anonymous_users": "ANONYMOUS_USERS",
    "token_refresh": "TOKEN_REFRESH",
    "sign_in_sign_ups": "OTP",
    "token_verifications": "VERIFY",
}
_EXTERNAL = (
    "enabled",
    "client_id",
    "secret",
    "redirect_uri",
    "url",
    "skip_nonce_check",
    "email_optional",
)
_WEBAUTHN = ("rp_id", "rp_display_name", "rp_origins")


def auth_variables(values: Values | None, root: Path) -> dict[str, EnvValue]:
    """Return the variables, without the prefix ``GOTRUE_``; none for a stack without the section.

    Args:
        root: where paths of templates and keys begin.
    """
    if values is None:
        return {}
    made = {name: value for name, value in _all(values, root) if value not in (None, "", ())}
    return {name: _text(value) for name, value in made.items()}


def _all(values: Values, root: Path) -> Pairs:
    yield "DISABLE_SIGNUP", not values["enable_signup"]
    if values["signing_keys_path"]:
        yield "JWT_KEYS", f"@{root / values['signing_keys_path']}"
    yield "URI_ALLOW_LIST", values["additional_redirect_urls"]
    yield "PASSWORD_REQUIRED_CHARACTERS", _CHARACTERS[values["password_requirements"]]
    yield from _mapped(values, _PLAIN)
    parts: dict[str, Callable[[Values], Pairs]] = {
        "email": lambda email: _email(email, root),
        "sms": _sms,
        "mfa": _mfa,
        "sessions": lambda sessions: _named(sessions, _SESSIONS, "SESSIONS_"),
        "rate_limit": lambda rates: _mapped(rates, _RATES, "RATE_LIMIT_"),
        "captcha": _captcha,
        "passkey": lambda passkey: _named(passkey, ("enabled",), "PASSKEY_"),
        "webauthn": lambda webauthn: _named(webauthn, _WEBAUTHN, "WEBAUTHN_"),
    }
    for name, part in parts.items():
        if values[name] is not None:
            yield from part(values[name])
    for name, hook in values["hook"].items():
        yield from _named(hook, ("enabled", "uri", "secrets"), f"HOOK_{name.upper()}_")
    for name, provider in values["external"].items():
        yield from _named(provider, _EXTERNAL, f"EXTERNAL_{name.upper()}_")


def _email(values: Values, root: Path) -> Pairs:
    yield "MAILER_AUTOCONFIRM", not values["enable_confirmations"]
    yield from _mapped(values, _EMAIL)
    smtp = values["smtp"]
    if smtp is not None and smtp["enabled"]:
        yield from _named(smtp, _SMTP, "SMTP_")
    for name, mail in values["template"].items():
        yield from _mail(name.upper(), mail, root)
    for name, mail in values["notification"].items():
        yield f"MAILER_NOTIFICATIONS_{name.upper()}_ENABLED", mail["enabled"]
        yield from _mail(f"{name.upper()}_NOTIFICATION", mail, root)


def _mail(name: str, values: Values, root: Path) -> Pairs:
    yield f"MAILER_SUBJECTS_{name}", values["subject"]
    if values["content_path"]:
        yield f"MAILER_TEMPLATES_{name}", str(root / values["content_path"])


def _sms(values: Values) -> Pairs:
    yield "SMS_AUTOCONFIRM", not values["enable_confirmations"]
    yield from _mapped(values, _SMS)
    yield "SMS_TEST_OTP", ",".join(f"{key}:{code}" for key, code in values["test_otp"].items())
    twilio = values["twilio"]
    if twilio is not None and twilio["enabled"]:
        yield "SMS_PROVIDER", "twilio"
        yield from _named(twilio, _TWILIO, "SMS_TWILIO_")


def _mfa(values: Values) -> Pairs:
    yield "MFA_MAX_ENROLLED_FACTORS", values["max_enrolled_factors"]
    for name in ("totp", "phone", "web_authn"):
        factor = values[name]
        if factor is not None:
            yield from _named(factor, _FACTOR, f"MFA_{name.upper()}_")


def _captcha(values: Values) -> Pairs:
    return _named(values, ("enabled", "provider", "secret"), "SECURITY_CAPTCHA_")


def _mapped(values: Values, names: dict[str, str], prefix: str = "") -> Pairs:
    for key, name in names.items():
        yield f"{prefix}{name}", values[key]


def _named(values: Values, keys: tuple[str, ...], prefix: str) -> Pairs:
    for key in keys:
        if key in values:
            yield f"{prefix}{key.upper()}", values[key]


def _text(value: Any) -> EnvValue:
    match value:
        case bool():
            return str(value).lower()
        case tuple():
            return ",".join(value)
        case int():
            return str(value)
    return value  # type: ignore[no-any-return]  # text or a secret
