"""Access tokens and refresh tokens: what they say and how they are made; pure but for chance."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from gavan.core.auth.config.auth import AuthConfig
from gavan.core.auth.errors import validation_failed
from gavan.core.auth.model import Row

REFRESH_LENGTH = 12
SECOND_FACTORS = frozenset({"totp", "mfa/phone", "mfa/webauthn"})
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_REFRESH = re.compile(r"[a-z0-9]{12}")


def assurance(methods: Iterable[str]) -> str:
    """Return ``aal2`` when one of the methods was a second factor, else ``aal1``."""
    return "aal1" if SECOND_FACTORS.isdisjoint(methods) else "aal2"


def new_refresh_token() -> str:
    """Return twelve random characters: sixty bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(REFRESH_LENGTH))


def check_refresh_token(token: str) -> None:
    """Raise AuthError for a text that was never a refresh token of ours."""
    if not _REFRESH.fullmatch(token):
        raise validation_failed("Refresh token is not valid")


def access_claims(
    config: AuthConfig, user: Row, session_id: UUID, amr: Sequence[Row], now: int
) -> dict[str, Any]:
    """Return the claims of an access token; ``now`` in seconds since the epoch."""
    return {
        "iss": config.tokens.issuer,
        "sub": str(user["id"]),
        "aud": user["aud"] or config.tokens.audience,
        "exp": now + config.tokens.lifetime_s,
        "iat": now,
        "email": user["email"] or "",
        "phone": user["phone"] or "",
        "app_metadata": user["raw_app_meta_data"] or {},
        "user_metadata": user["raw_user_meta_data"] or {},
        "role": user["role"] or "authenticated",
        "aal": assurance(item["method"] for item in amr),
        "amr": [{"method": item["method"], "timestamp": item["timestamp"]} for item in amr],
        "session_id": str(session_id),
        "is_anonymous": user["is_anonymous"],
    }


def token_response(
    config: AuthConfig, claims: dict[str, Any], refresh_token: str, user: dict[str, Any]
) -> dict[str, Any]:
    """Return the body of every answer that signs somebody in, but for the token itself."""
    return {
        "token_type": "bearer",
        "expires_in": config.tokens.lifetime_s,
        "expires_at": claims["exp"],
        "refresh_token": refresh_token,
        "user": user,
    }
