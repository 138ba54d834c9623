"""The e-mail address of an account when its ways to sign in change."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from gavan.core.auth.flows import accounts, one_time
from gavan.core.auth.model import Row
from gavan.core.auth.oauth.queries import queries
from gavan.core.auth.store import Connection, many

_BEGINNING = datetime.min.replace(tzinfo=UTC)


async def settle_email(
    connection: Connection, user_id: UUID, *, aud: str, autoconfirm: bool
) -> bool:
    """Keep an address that an identity of the account has, else take one that is free.

    Verified addresses come first, then others, then none. An address that nobody vouches for is
    not confirmed any more, and what was sent to the one before counts no more (supabase/auth:
    internal/models/user.go).

    Returns:
        False when every identity's address is another account's.
    """
    user = await accounts.lock(connection, user_id)
    identities = await many(connection, "identities_of", user_id=user_id)
    current = (user["email"] or "").lower()
    if any((identity["email"] or "") == current for identity in identities):
        return True
    for identity in sorted(identities, key=_rank):
        email = identity["email"] or ""
        if email and await accounts.find_by_email(connection, email, aud) is not None:
            continue
        is_confirmed = bool(email) and (_is_verified(identity) or autoconfirm)
        await queries.change(
            connection, "set_address", id=user_id, email=email or None, is_confirmed=is_confirmed
        )
        await one_time.drop_all(connection, user_id)
        return True
    return False


def _rank(identity: Row) -> tuple[int, datetime, str]:
    order = 0 if _is_verified(identity) else 1
    if not identity["email"]:
        order = 2
    return order, identity["created_at"] or _BEGINNING, str(identity["id"])


def _is_verified(identity: Row) -> bool:
    return identity["identity_data"].get("email_verified") is True
