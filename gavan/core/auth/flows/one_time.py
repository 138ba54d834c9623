"""One-time tokens: codes and links that prove that somebody reads an address.

Stands under every flow that mails or texts. Only hashes are stored, one per user and purpose in
``auth.one_time_tokens``; when each was sent stands in ``auth.users`` (supabase/auth:
internal/models/one_time_token.go).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from gavan.core.auth.flows.flow_state import PREFIX
from gavan.core.auth.model import Row
from gavan.core.auth.store import Connection, Queries

CONFIRMATION = "confirmation_token"
RECOVERY = "recovery_token"
REAUTHENTICATION = "reauthentication_token"
EMAIL_CURRENT = "email_change_token_current"
EMAIL_NEW = "email_change_token_new"
PHONE_CHANGE = "phone_change_token"

SENT_AT = {
    CONFIRMATION: "confirmation_sent_at",
    RECOVERY: "recovery_sent_at",
    REAUTHENTICATION: "reauthentication_sent_at",
    EMAIL_CURRENT: "email_change_sent_at",
    EMAIL_NEW: "email_change_sent_at",
    PHONE_CHANGE: "phone_change_sent_at",
}

queries = Queries(Path(__file__).parent / "sql" / "one_time.sql")


def new_code(digits: int) -> str:
    """Return a code, each of the possible ones as likely as the next."""
    return f"{secrets.randbelow(10**digits):0{digits}}"


@dataclass(frozen=True, slots=True)
class Hasher:
    """Makes the hashes that are stored and mailed; ``pepper`` is known to this stack alone.

    GoTrue hashes address and code without a secret, so that a million hashes hold the link to any
    account whose address is known, and a wrong one does not tell whose it was meant to be: guesses
    could not be bounded per account. With the pepper a link cannot be guessed from a code.
    """

    pepper: bytes = field(repr=False)

    def hash(self, address: str, code: str) -> str:
        """Return what is stored for a code sent to an e-mail address or a phone number."""
        return hmac.new(self.pepper, f"{address}{code}".encode(), hashlib.sha224).hexdigest()

    def typed(self, address: str, code: str) -> tuple[str, ...]:
        """Return every hash that a typed code may stand for.

        With and without the mark of PKCE, as a code serves either flow; and GoTrue's own, for
        mails that were under way when their project moved here. The hash of a link serves only
        as it is: without its mark it would give a session instead of a code that needs the
        verifier.
        """
        plain = hashlib.sha224(f"{address}{code}".encode()).hexdigest()
        made = (self.hash(address, code), plain)
        return (*made, *(PREFIX + hashed for hashed in made))


def is_expired(sent_at: datetime | None, lifetime_s: float, now: datetime) -> bool:
    """Return whether a token that was sent then is too old; one that was never sent is."""
    return sent_at is None or now > sent_at + timedelta(seconds=lifetime_s)


async def put(
    connection: Connection, user_id: UUID, token_type: str, *, relates_to: str, hashed: str
) -> None:
    """Store the hash of a token that is being sent; the one before it is worthless."""
    await queries.change(
        connection,
        "put_token",
        user_id=user_id,
        token_type=token_type,
        token_hash=hashed,
        relates_to=relates_to,
    )


async def owner_of(
    connection: Connection, hashes: tuple[str, ...], token_types: tuple[str, ...]
) -> UUID | None:
    """Return whose token a hash is."""
    row = await queries.one(
        connection, "owner_of_hash", hashes=list(hashes), token_types=list(token_types)
    )
    return row["user_id"] if row else None


async def matching(
    connection: Connection,
    user_id: UUID,
    hashes: tuple[str, ...],
    token_types: tuple[str, ...],
) -> Row | None:
    """Return the token of a user that is one of the hashes, and lock it.

    A caller that comes second waits for the first one's end, and then finds the token taken.
    """
    rows = await queries.many(
        connection, "tokens_of", user_id=user_id, token_types=list(token_types)
    )
    fitting = [
        row
        for row in rows
        if any(hmac.compare_digest(str(row["token_hash"]), hashed) for hashed in hashes)
    ]
    # A code of sign-up and one of a magic link may both stand: the order asked for decides.
    fitting.sort(key=lambda row: token_types.index(row["token_type"]))
    return fitting[0] if fitting else None


async def take(connection: Connection, user_id: UUID, token_type: str) -> None:
    """Use a token up."""
    await queries.change(connection, "take_token", user_id=user_id, token_type=token_type)


async def drop_all(connection: Connection, user_id: UUID) -> None:
    """Make every token of a user worthless, as after confirming or a new password."""
    await queries.change(connection, "drop_tokens", user_id=user_id)


async def recovered(connection: Connection, user_id: UUID) -> None:
    """Note that a recovery or a magic link was used; what else was sent counts no more."""
    await queries.change(connection, "recovered", id=user_id)
    await drop_all(connection, user_id)


async def reauthenticated(connection: Connection, user_id: UUID) -> None:
    """Note that a nonce was used; what else was sent counts no more."""
    await queries.change(connection, "reauthenticated", id=user_id)
    await drop_all(connection, user_id)


async def first_email_confirmed(connection: Connection, user_id: UUID, *, is_current: bool) -> None:
    """Note which of the two addresses of an e-mail change has answered."""
    await queries.change(connection, "first_email_confirmed", id=user_id, is_current=is_current)
