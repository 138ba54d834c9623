"""Tokens of signed URLs: whoever has one may read, or write, the one object that it names.

Signed by the keys of the stack (supabase/storage:src/internal/auth/jwt.ts, src/storage/object.ts).
A token is good for one action: one that reads never writes, and the other way round.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from gavan.core.storage.caller import token_fault
from gavan.core.storage.commons import Commons
from gavan.core.storage.errors import StorageError, invalid_parameter
from gavan.kit.jwt import TokenError

LAST_SECOND = (2**53 - 1) // 1000
"""The last time, in seconds since the epoch, that JavaScript can tell in milliseconds"""


class Scope(StrEnum):
    """What a token is good for."""

    DOWNLOAD = "download"
    UPLOAD = "upload"


def sign_download(
    commons: Commons, bucket: str, name: str, expires_s: int, **transform: str
) -> str:
    """Return a token that reads an object.

    ``transform`` are the claims ``transformations`` and ``format`` of an image to be rendered;
    empty ones are left out. Raises StorageError ``InvalidParameter`` for a time out of bounds.
    """
    claims = {key: transform[key] for key in ("transformations", "format") if transform.get(key)}
    return _sign(commons, claims, f"{bucket}/{name}", Scope.DOWNLOAD, expires_s)


def sign_upload(
    commons: Commons, bucket: str, name: str, owner: str | None, is_upsert: bool, expires_s: int
) -> str:
    """Return a token that writes an object once, or again and again when ``is_upsert``.

    The policies must have agreed before. Raises as ``sign_download``.
    """
    claims: dict[str, Any] = {"upsert": is_upsert}
    if owner is not None:
        claims["owner"] = owner
    return _sign(commons, claims, f"{bucket}/{name}", Scope.UPLOAD, expires_s)


def read_token(
    commons: Commons, token: str, scope: Scope, bucket: str, name: str
) -> Mapping[str, Any]:
    """Return the claims of a token for this object and action.

    ``exp`` is an integer, ``upsert`` a truth value, ``owner`` text or None.

    Raises:
        StorageError: ``InvalidJWT`` when it does not verify or its time is over,
            ``InvalidSignature`` when it is for another object or another action.
    """
    claims = _open(commons, token)
    # Tokens from before there were scopes: only those that write say whether they replace.
    bound = claims.get("scope", Scope.UPLOAD if "upsert" in claims else Scope.DOWNLOAD)
    if bound != scope:
        raise not_signed(f"Token is not scoped for {scope}")
    if claims.get("url") != f"{bucket}/{name}":
        raise not_signed("Invalid signature")
    owner = claims.get("owner")
    return {
        **claims,
        "upsert": claims.get("upsert") is True,
        "owner": owner if isinstance(owner, str) else None,
    }


def expiry_of(claims: Mapping[str, Any]) -> datetime | None:
    """Return when a token ends; None when that is further away than calendars go."""
    try:
        return datetime.fromtimestamp(claims["exp"], UTC)
    except (ValueError, OverflowError):
        return None


def not_signed(message: str) -> StorageError:
    """Return the answer for a token that is good, and for something else."""
    return StorageError(400, "InvalidSignature", message)


def check_expiry(expires_s: object) -> int:
    """Return the seconds a token shall live; raise StorageError ``InvalidParameter``."""
    if isinstance(expires_s, int) and not isinstance(expires_s, bool):
        most = LAST_SECOND - int(time.time())
        if 1 <= expires_s <= most:
            return expires_s
    raise invalid_parameter("expiresIn")


def _open(commons: Commons, token: str) -> Mapping[str, Any]:
    try:
        claims = commons.verifier.verify(token).raw
    except TokenError as error:
        raise _no_token(token_fault(error)) from error
    until = claims.get("exp")
    # The verifier forgives other clocks some seconds; ours made this token. One without an end
    # would be good for ever: none is made so.
    if not isinstance(until, int) or until <= time.time():
        raise _no_token('"exp" claim timestamp check failed')
    return claims


def _sign(commons: Commons, claims: dict[str, Any], url: str, scope: Scope, expires_s: int) -> str:
    now = int(time.time())
    until = now + check_expiry(expires_s)
    return commons.keys.sign({**claims, "url": url, "scope": scope, "iat": now, "exp": until})


def _no_token(message: str) -> StorageError:
    return StorageError(400, "InvalidJWT", message)
