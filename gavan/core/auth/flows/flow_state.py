"""PKCE: a sign-in that begins in one place and is redeemed there, kept in ``auth.flow_state``.

Stands between the flows that begin one (mail links, OAuth) and the ``pkce`` grant. The code is in
the address of a redirect, so alone it is worth nothing: only who knows the verifier may use it,
and only once (RFC 7636; supabase/auth:internal/models/flow_state.go, internal/security/pkce.go).
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path
from uuid import UUID, uuid4

from gavan.core.auth.errors import AuthError, validation_failed
from gavan.core.auth.model import Row
from gavan.core.auth.store import Connection, Queries

PREFIX = "pkce_"
"""Begins the hash in a mailed link whose click answers with a code instead of a session."""

_CHALLENGE = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_METHODS = frozenset({"s256", "plain"})
_queries = Queries(Path(__file__).parent / "sql" / "flow_state.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What a client sends to begin; both empty is the implicit flow."""

    value: str = ""
    method: str = ""

    @property
    def is_pkce(self) -> bool:
        """Whether a code is to be redeemed."""
        return bool(self.value)

    def check(self) -> None:
        """Raise AuthError 400 ``validation_failed`` for half a pair or a malformed one."""
        if bool(self.value) != bool(self.method):
            raise validation_failed("PKCE flow requires code_challenge_method and code_challenge")
        if not self.value:
            return
        if not 43 <= len(self.value) <= 128:
            raise validation_failed("code challenge has to be between 43 and 128 characters")
        if not _CHALLENGE.fullmatch(self.value):
            raise validation_failed(
                "code challenge can only contain alphanumeric characters, hyphens, periods,"
                " underscores and tildes"
            )
        if self.method.lower() not in _METHODS:
            raise validation_failed("code challenge method must be either s256 or plain")

    def prefixed(self, token_hash: str) -> str:
        """Return a hash as it is stored and mailed for this flow."""
        return PREFIX + token_hash if self.value else token_hash


IMPLICIT = Challenge()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFlow:
    """A flow to begin; the names are the columns of ``auth.flow_state``.

    ``authentication_method`` is the amr method of the session to come (``magiclink``, ``oauth``).
    """

    provider_type: str
    authentication_method: str
    challenge: Challenge = IMPLICIT
    user_id: UUID | None = None
    invite_token: str | None = None
    referrer: str | None = None
    oauth_client_state_id: UUID | None = None
    linking_target_id: UUID | None = None
    email_optional: bool = False


async def begin_flow(connection: Connection, flow: NewFlow) -> UUID:
    """Store a flow whose challenge passed ``check`` and return its id, OAuth's ``state``."""
    flow_id = uuid4()
    challenge = flow.challenge
    await _queries.change(
        connection,
        "insert_flow",
        id=flow_id,
        user_id=flow.user_id,
        auth_code=str(uuid4()) if challenge.is_pkce else None,
        challenge_method=challenge.method.lower() if challenge.is_pkce else None,
        challenge=challenge.value or None,
        provider_type=flow.provider_type,
        authentication_method=flow.authentication_method,
        invite_token=flow.invite_token,
        referrer=flow.referrer,
        oauth_client_state_id=flow.oauth_client_state_id,
        linking_target_id=flow.linking_target_id,
        email_optional=flow.email_optional,
    )
    return flow_id


async def lock_flow(connection: Connection, flow_id: UUID) -> Row | None:
    """Return a flow and keep others from it until the transaction ends; None if gone or taken."""
    return await _queries.one(connection, "lock_flow", id=flow_id)


async def bind_flow(
    connection: Connection,
    flow_id: UUID,
    user_id: UUID,
    *,
    provider_access_token: str = "",
    provider_refresh_token: str = "",
) -> str:
    """Say who came back from the provider and return the code of the flow, empty if implicit."""
    row = await _queries.one(
        connection,
        "bind_flow",
        id=flow_id,
        user_id=user_id,
        provider_access_token=provider_access_token,
        provider_refresh_token=provider_refresh_token,
    )
    return str(row["auth_code"] or "") if row else ""


async def delete_flow(connection: Connection, flow_id: UUID) -> None:
    """Forget a flow, as the implicit one after its answer."""
    await _queries.change(connection, "delete_flow", id=flow_id)


async def issue_code(connection: Connection, user_id: UUID, authentication_method: str) -> str:
    """Return the code for a user who clicked a mailed link.

    Raises:
        AuthError: 400 ``flow_state_not_found`` without a flow of that user and method.
    """
    row = await _queries.one(
        connection, "issue_code", user_id=user_id, authentication_method=authentication_method
    )
    if row is None:
        raise AuthError(
            400,
            "flow_state_not_found",
            "No associated flow state found. No valid flow state found for user.",
        )
    return str(row["auth_code"])


async def redeem(
    connection: Connection, *, auth_code: str, verifier: str, lifetime_s: float
) -> Row:
    """Return the flow of a code and delete it: of parallel calls exactly one gets it.

    A magic link's code lives ``lifetime_s`` from its click, every other from the flow's begin.

    Raises:
        AuthError: 404 for a code that is unknown, used or of no user yet; 422 when it is too old;
            400 ``bad_code_verifier``, which leaves the flow for who knows the right one.
    """
    flow = await _queries.one(
        connection, "flow_by_code", auth_code=auth_code, lifetime_s=lifetime_s
    )
    if flow is None or flow["user_id"] is None:
        raise AuthError(
            404, "flow_state_not_found", "invalid flow state, no valid flow state found"
        )
    if flow["is_expired"]:
        raise AuthError(422, "flow_state_expired", "invalid flow state, flow state has expired")
    if not verifier_fits(flow["code_challenge"], flow["code_challenge_method"], verifier):
        raise AuthError(
            400,
            "bad_code_verifier",
            "code challenge does not match previously saved code verifier",
        )
    await delete_flow(connection, flow["id"])
    return flow


def verifier_fits(challenge: str, method: str, verifier: str) -> bool:
    """Return whether a verifier is what a challenge was made of; in constant time."""
    made = verifier
    if method.lower() == "s256":
        digest = hashlib.sha256(verifier.encode()).digest()
        made = urlsafe_b64encode(digest).rstrip(b"=").decode()
    return compare_digest(made.encode(), challenge.encode())
