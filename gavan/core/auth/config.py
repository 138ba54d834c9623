"""What the auth service may be told, with the values of a local Supabase stack as defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from gavan.core.settings import Settings
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

ADMIN_ROLES = frozenset({"service_role", "supabase_admin"})
PASSWORD_FLOOR = 6
BCRYPT_COST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthConfig:
    """Durations in seconds; addresses are always confirmed at once, no mail is sent."""

    jwt_secret: Secret
    issuer: str
    audience: str = "authenticated"
    token_lifetime_s: int = 3600
    is_signup_disabled: bool = False
    minimum_password_length: int = PASSWORD_FLOOR
    rotates_refresh_tokens: bool = True
    reuse_interval_s: float = 10


def read_config(settings: Settings, environ: Mapping[str, str] = os.environ) -> AuthConfig:
    """Return the configuration from GoTrue's own variables; raise GavanError GV702 for bad ones."""
    try:
        return AuthConfig(
            jwt_secret=settings.jwt_secret,
            issuer=environ.get("GOTRUE_JWT_ISSUER")
            or f"{settings.external_url.rstrip('/')}/auth/v1",
            audience=environ.get("GOTRUE_JWT_AUD", "authenticated"),
            token_lifetime_s=int(environ.get("GOTRUE_JWT_EXP", "3600")),
            is_signup_disabled=_flag(environ.get("GOTRUE_DISABLE_SIGNUP", "false")),
            minimum_password_length=max(
                PASSWORD_FLOOR, int(environ.get("GOTRUE_PASSWORD_MIN_LENGTH", "6"))
            ),
            rotates_refresh_tokens=_flag(
                environ.get("GOTRUE_SECURITY_REFRESH_TOKEN_ROTATION_ENABLED", "true")
            ),
            reuse_interval_s=float(
                environ.get("GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL", "10")
            ),
        )
    except ValueError as error:
        raise GavanError(
            "GV702",
            f"a GOTRUE_ variable has a value of the wrong kind: {error}",
            hint="durations are whole seconds, switches are true or false",
            exit_code=2,
        ) from error


def _flag(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in {"true", "1", "yes", "on"}:
        return True
    if lowered in {"false", "0", "no", "off", ""}:
        return False
    raise ValueError(f"{text!r} is neither true nor false")
