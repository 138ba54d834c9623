"""Rules that keep people out: refresh tokens, captcha, changes that need a proof."""

from __future__ import annotations

from dataclasses import dataclass

from gavan.core.auth.config.environ import Environ
from gavan.kit.secret import Secret

CAPTCHA_URLS = {
    "hcaptcha": "https://hcaptcha.com/siteverify",
    "turnstile": "https://challenges.cloudflare.com/turnstile/v0/siteverify",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptchaConfig:
    """Who is asked whether a token was earned by a person."""

    provider: str
    secret: Secret
    url: str
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityConfig:
    """Durations in seconds; the values of a local Supabase stack are the defaults."""

    rotates_refresh_tokens: bool = True
    reuse_interval_s: float = 10.0
    manual_linking: bool = False
    password_needs_reauthentication: bool = False
    password_needs_current: bool = False
    captcha: CaptchaConfig | None = None
    audits_to_postgres: bool = True
    deletes_old_anonymous_users: bool = False


def read_security(environ: Environ) -> SecurityConfig:
    """Return the section."""
    default = SecurityConfig()
    return SecurityConfig(
        rotates_refresh_tokens=environ.flag("SECURITY_REFRESH_TOKEN_ROTATION_ENABLED", True),
        reuse_interval_s=environ.number(
            "SECURITY_REFRESH_TOKEN_REUSE_INTERVAL", default.reuse_interval_s
        ),
        manual_linking=environ.flag("SECURITY_MANUAL_LINKING_ENABLED", False),
        password_needs_reauthentication=environ.flag(
            "SECURITY_UPDATE_PASSWORD_REQUIRE_REAUTHENTICATION", False
        ),
        password_needs_current=environ.flag(
            "SECURITY_UPDATE_PASSWORD_REQUIRE_CURRENT_PASSWORD", False
        ),
        captcha=_captcha(environ),
        audits_to_postgres=not environ.flag("AUDIT_LOG_DISABLE_POSTGRES", False),
        deletes_old_anonymous_users=environ.flag("DB_CLEANUP_ENABLED", False),
    )


def _captcha(environ: Environ) -> CaptchaConfig | None:
    if not environ.flag("SECURITY_CAPTCHA_ENABLED", False):
        return None
    provider = environ.text("SECURITY_CAPTCHA_PROVIDER", "hcaptcha")
    secret = environ.text("SECURITY_CAPTCHA_SECRET").strip()
    if provider not in CAPTCHA_URLS:
        environ.refuse("SECURITY_CAPTCHA_PROVIDER", "hcaptcha or turnstile is expected")
    if not secret:
        environ.refuse("SECURITY_CAPTCHA_SECRET", "a captcha cannot be checked without it")
    return CaptchaConfig(
        provider=provider,
        secret=Secret(secret),
        # A name of ours: a proxy for a network without a way out, and tests.
        url=environ.text("SECURITY_CAPTCHA_URL", CAPTCHA_URLS.get(provider, "")),
        timeout_s=environ.duration_s("SECURITY_CAPTCHA_TIMEOUT", 10.0),
    )
