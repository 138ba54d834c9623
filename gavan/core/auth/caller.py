"""Who is calling: a bearer token to its user and session, refused step by step as upstream."""

from __future__ import annotations

import re
from uuid import UUID

from gavan.core.auth.config.tokens import ADMIN_ROLES
from gavan.core.auth.errors import AuthError, bad_jwt, no_authorization
from gavan.core.auth.model import Caller
from gavan.core.auth.store import Store, one
from gavan.kit.jwt import Claims, TokenError, TokenReason, Verifier

_REASONS = {
    TokenReason.EXPIRED: "token has invalid claims: token is expired",
    TokenReason.NOT_YET_VALID: "token has invalid claims: token is not valid yet",
    TokenReason.ISSUED_IN_FUTURE: "token has invalid claims: token used before issued",
    TokenReason.SIGNATURE: "token signature is invalid: signature is invalid",
}


def verified(token: str | None, verifier: Verifier) -> Claims:
    """Return the claims of a bearer; raise AuthError 401 without one, 403 for a bad one."""
    if not token or re.search(r"\s", token):
        raise no_authorization()
    try:
        return verifier.verify(token)
    except TokenError as error:
        reason = _REASONS.get(error.reason, f"token is malformed: {error.message}")
        raise bad_jwt(reason) from error


async def find_caller(claims: Claims, store: Store) -> Caller:
    """Return the user and session of verified claims; raise AuthError when either is gone."""
    if claims.sub is None:
        raise AuthError(403, "bad_jwt", "invalid claim: missing sub claim")
    user_id = _uuid(claims.sub)
    if user_id is None:
        raise AuthError(400, "bad_jwt", "invalid claim: sub claim must be a UUID")
    session_text = claims.raw.get("session_id")
    async with store.transaction() as connection:
        user = await one(connection, "user_by_id", id=user_id)
        if user is None:
            raise AuthError(403, "user_not_found", "User from sub claim in JWT does not exist")
        if user["is_banned"]:
            raise AuthError(403, "user_banned", "User is banned")
        if not session_text:
            return Caller(user=user, session=None, is_admin=claims.role in ADMIN_ROLES)
        session_id = _uuid(session_text)
        if session_id is None:
            raise AuthError(403, "bad_jwt", "invalid claim: session_id claim must be a UUID")
        session = await one(connection, "session_by_id", id=session_id)
    if session is None:
        raise AuthError(
            403, "session_not_found", "Session from session_id claim in JWT does not exist"
        )
    return Caller(user=user, session=session, is_admin=claims.role in ADMIN_ROLES)


async def check_admin(claims: Claims, store: Store) -> None:
    """Raise AuthError unless verified claims are an administrator's; ``sub`` is not looked at."""
    if claims.role not in ADMIN_ROLES:
        raise AuthError(403, "not_admin", "User not allowed")
    session_text = claims.raw.get("session_id")
    if not session_text:
        return
    async with store.transaction() as connection:
        found = await one(connection, "session_exists", id=_uuid(session_text))
    if not found or not found["found"]:
        raise AuthError(
            403, "session_not_found", "Session from session_id claim in JWT does not exist"
        )


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
