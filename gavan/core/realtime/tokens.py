"""Tokens of sockets and channels: who may act, as which role, until when.

Keys and access tokens come in here; channels keep the ``Access`` that goes out. Signatures and
their cache belong to ``gavan.kit.jwt``; the texts are those of the reference service.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

import jwt

from gavan.kit.jwt import Claims, TokenError, TokenReason, Verifier

OPAQUE_PREFIX = "sb_"
_SIGNATURE_REASONS = (TokenReason.SIGNATURE, TokenReason.NO_KEY, TokenReason.ALGORITHM)
_FIELDS_REQUIRED = "Fields `role` and `exp` are required in JWT"


class TokenRefused(Exception):
    """A token that gives no access. ``str()`` is ``<Code>: <text>`` as a failed join says it."""

    def __init__(self, code: str, text: str, *, upgrade_text: str | None = None) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.upgrade_text = upgrade_text or text


@dataclass(frozen=True, slots=True)
class Access:
    """What a good token gives. ``expires_at`` is in seconds since the epoch."""

    token: str
    role: str
    claims_json: str
    sub: str | None
    expires_at: float

    def seconds_left(self, now: float) -> float:
        """Return how long this access still holds; negative once it has passed."""
        return self.expires_at - now


class Tokens:
    """Turns tokens and opaque keys into access.

    Args:
        verifier: checks signatures.
        opaque: JWT of every opaque key (``sb_publishable_...`` and ``sb_secret_...``).
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        verifier: Verifier,
        opaque: Mapping[str, str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._verifier = verifier
        self._opaque = dict(opaque)
        self._clock = clock

    def check(self, token: str) -> Access:
        """Return the access of a token or opaque key; raise TokenRefused."""
        token = unquote(token).strip()
        token = self._opaque.get(token, token)
        try:
            claims = self._verifier.verify(token)
        except TokenError as error:
            raise self._refusal(token, error.reason) from error
        return self._access(token, claims)

    def expired(self, access: Access) -> TokenRefused | None:
        """Return the refusal if the access has passed by now."""
        left = access.seconds_left(self._clock())
        return _expired(-left) if left <= 0 else None

    def seconds_left(self, access: Access) -> float:
        """Return how long an access still holds."""
        return access.seconds_left(self._clock())

    def _access(self, token: str, claims: Claims) -> Access:
        expires_at = claims.raw.get("exp")
        is_number = isinstance(expires_at, int | float) and not isinstance(expires_at, bool)
        if claims.role is None or not is_number:
            raise TokenRefused("InvalidJWTToken", _FIELDS_REQUIRED)
        access = Access(token, claims.role, claims.json, claims.sub, float(str(expires_at)))
        # The verifier allows for skewed clocks, this protocol does not.
        refusal = self.expired(access)
        if refusal is not None:
            raise refusal
        return access

    def _refusal(self, token: str, reason: TokenReason) -> TokenRefused:
        if reason is TokenReason.EXPIRED:
            payload = jwt.decode(token, options={"verify_signature": False})
            return _expired(self._clock() - float(payload["exp"]))
        if reason in _SIGNATURE_REASONS:
            return TokenRefused("JwtSignatureError", "Failed to validate JWT signature")
        return TokenRefused("MalformedJWT", "The token provided is not a valid JWT")


def _expired(seconds_ago: float) -> TokenRefused:
    text = f"Token has expired {int(seconds_ago)} seconds ago"
    return TokenRefused("InvalidJWTToken", text, upgrade_text="Token has expired")
