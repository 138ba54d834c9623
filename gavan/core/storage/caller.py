"""Who asks, and what policies may read of the request."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

import orjson
from starlette.requests import Request

from gavan.core.storage.errors import access_denied, invalid_body
from gavan.kit.jwt import Claims, TokenError, TokenReason, Verifier

ANON = "anon"
SERVICE = "service_role"
_OPAQUE = "Bearer sb_"
_PLAIN = re.compile(r"[\x20-\x7e]{1,200}")
_BEARER = re.compile(r"^Bearer\s+", re.IGNORECASE)
_TEXTS = {
    TokenReason.EXPIRED: '"exp" claim timestamp check failed',
    TokenReason.NOT_YET_VALID: '"nbf" claim timestamp check failed',
    TokenReason.SIGNATURE: "signature verification failed",
    TokenReason.NO_KEY: "signature verification failed",
    TokenReason.ALGORITHM: '"alg" (Algorithm) Header Parameter value not allowed',
}
MALFORMED_TOKEN = "Invalid Compact JWS"  # noqa: S105 - the words of upstream's JWT library


@dataclass(frozen=True, slots=True)
class Origin:
    """What tells a request from others: our id, and the one that a hosted gateway gives."""

    request_id: str = ""
    trace_id: str | None = None


NOWHERE = Origin()


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A role and its claims; ``is_known`` tells a verified token from a visitor without one."""

    role: str
    sub: str | None
    token: str
    claims_json: str
    method: str
    path: str
    headers_json: str
    is_known: bool
    origin: Origin = NOWHERE

    def settings(self, operation: str) -> tuple[tuple[str, str], ...]:
        """Return what a transaction is told (supabase/storage:src/internal/database)."""
        return (
            ("request.jwt", self.token),
            ("request.jwt.claims", self.claims_json),
            ("request.jwt.claim.sub", self.sub or ""),
            ("request.jwt.claim.role", self.role),
            ("request.headers", self.headers_json),
            ("request.method", self.method),
            ("request.path", self.path),
            ("storage.operation", operation),
            ("storage.allow_delete_query", "true"),
        )


def uuid_or_none(owner: str | None) -> str | None:
    """Return the value of the older columns ``owner``: the owner, when it is a UUID."""
    try:
        return str(UUID(owner)) if owner else None
    except ValueError:
        return None


def known_caller(request: Request, verifier: Verifier, *, is_alone: bool = False) -> Caller:
    """Return who a token names.

    Args:
        is_alone: no gateway stands before the service, that would send an empty header for none.

    Raises:
        StorageError: 403 for a token that does not verify; when alone, 400 without the header.
    """
    token = _token(request)
    if token is None and is_alone:
        raise invalid_body("headers must have required property 'authorization'")
    return caller_of(request, verify(token or "", verifier), token or "")


def any_caller(request: Request, verifier: Verifier) -> Caller:
    """Return who a token names, or a visitor when there is none that verifies."""
    token = _token(request)
    try:
        claims = verifier.verify(token) if token else None
    except TokenError:
        claims = None
    return caller_of(request, claims, (token or "") if claims else "")


def verify(token: str, verifier: Verifier) -> Claims:
    """Return the claims; raise StorageError 403 in the words of upstream's JWT library."""
    try:
        return verifier.verify(token)
    except TokenError as error:
        raise access_denied(token_fault(error)) from error


def token_fault(error: TokenError) -> str:
    """Return what upstream's JWT library says of a token."""
    return _TEXTS.get(error.reason, MALFORMED_TOKEN)


def caller_of(request: Request, claims: Claims | None, token: str) -> Caller:
    """Return the caller of verified claims; of none: a visitor."""
    role = (claims.role if claims else None) or ANON
    return Caller(
        role=role,
        sub=claims.sub if claims else None,
        token=token,
        claims_json=claims.json if claims else orjson.dumps({"role": role}).decode(),
        method=request.method,
        path=asked_path(request),
        headers_json=orjson.dumps(dict(request.headers.items())).decode(),
        is_known=claims is not None,
        origin=origin_of(request),
    )


def origin_of(request: Request) -> Origin:
    """Return what tells a request from others."""
    trace_id = request.headers.get("sb-request-id", "")
    return Origin(
        request.scope.get("gavan.request_id", ""),
        trace_id if _PLAIN.fullmatch(trace_id) else None,
    )


def asked_path(request: Request) -> str:
    """Return path and query as they were sent, without the prefix that the gateway takes off."""
    path: str = request.scope["raw_path"].decode("latin-1")
    query: str = request.scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def _token(request: Request) -> str | None:
    """Return the token; None without any header, where a header is asked for.

    A key of the stack stands for its token, and an ``apikey`` that is none of ours for itself: in
    older stacks it is a token (supabase/cli:internal/start/templates/kong.yml). The gateway sends
    an empty header when there is nothing; a service that stands alone sees that there is none.
    """
    translated: str | None = request.scope.get("gavan.token")
    if translated is not None:
        return translated
    header = request.headers.get("authorization")
    if header is not None and not header.startswith(_OPAQUE):
        return _BEARER.sub("", header)
    return request.headers.get("apikey")
