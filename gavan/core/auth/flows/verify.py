"""/verify: a token comes back, and what it proves comes true, once.

The token is looked up, the account locked, the token taken and its effect applied in one
transaction; of parallel calls with one token exactly one finds it (supabase/auth:
internal/api/verify.go).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from gavan.core.auth.errors import AuthError, validation_failed
from gavan.core.auth.flows import accounts, one_time
from gavan.core.auth.flows.addresses import email_of, phone_of
from gavan.core.auth.flows.flow_state import PREFIX, issue_code
from gavan.core.auth.flows.room import Asked, Room
from gavan.core.auth.flows.verified import Effects
from gavan.core.auth.guard.guesses import Guesses
from gavan.core.auth.model import Row
from gavan.core.auth.store import Connection

FIRST_HALF = "Confirmation link accepted. Please proceed to confirm link sent to the other email"
# What a link or a code of a type may be, the likelier first.
_TOKENS = {
    "signup": (one_time.CONFIRMATION,),
    "invite": (one_time.CONFIRMATION,),
    "recovery": (one_time.RECOVERY,),
    "magiclink": (one_time.RECOVERY,),
    "email": (one_time.CONFIRMATION, one_time.RECOVERY),
    "email_change": (one_time.EMAIL_CURRENT, one_time.EMAIL_NEW),
}
_PHONE_TOKENS = {
    "sms": (one_time.CONFIRMATION,),
    "phone_change": (one_time.PHONE_CHANGE,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A checked input of /verify: a link's ``hash``, or a typed ``code`` with its address."""

    type: str
    hash: str = ""
    code: str = ""
    email: str = ""
    phone: str = ""

    def hashes(self, hasher: one_time.Hasher) -> tuple[str, ...]:
        """Return what may be stored for it."""
        return (self.hash,) if self.hash else hasher.typed(self.phone or self.email, self.code)

    @property
    def is_pkce(self) -> bool:
        """Whether a link was made for a flow that ends with a code."""
        return self.hash.startswith(PREFIX)


def link_token(link_type: str, hashed: str) -> Token:
    """Return the input of GET /verify; raise AuthError 400 when a part is missing."""
    if not link_type:
        raise validation_failed("Verify requires a verification type")
    if not hashed:
        raise validation_failed("Verify requires a token or a token hash")
    return Token(type=link_type, hash=hashed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """The raw input of POST /verify; absent texts are empty."""

    type: str
    token: str
    token_hash: str
    email: str
    phone: str
    redirect_to: str


def typed_token(typed: Typed) -> Token:
    """Return the input of POST /verify; raise AuthError 400 for what does not go together."""
    if not typed.type:
        raise validation_failed("Verify requires a verification type")
    if bool(typed.token) == bool(typed.token_hash):
        raise validation_failed("Verify requires either a token or a token hash")
    if typed.token_hash:
        if typed.email or typed.phone or typed.redirect_to:
            raise validation_failed("Only the token_hash and type should be provided")
        return Token(type=typed.type, hash=typed.token_hash)
    if bool(typed.email) == bool(typed.phone):
        raise validation_failed(
            "Only an email address or phone number should be provided on verify"
        )
    if typed.phone:
        return Token(type=typed.type, code=typed.token, phone=phone_of(typed.phone))
    return Token(type=typed.type, code=typed.token, email=email_of(typed.email))


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Whose token was taken, and the method of the flow that it was sent for."""

    user_id: UUID
    method: str


class Verifications:
    """What happens when a token comes back."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._effects = Effects(room)
        self._guesses = Guesses()

    async def session(self, token: Token, asked: Asked) -> dict[str, Any]:
        """Return a session, or the message after the first half of an e-mail change.

        Raises:
            AuthError: 403 ``otp_expired`` for a token that is wrong, used or too old; 429 when
                too many wrong codes were tried for an address.
        """
        room = self._room
        self._check_guesses(token)
        async with room.store.transaction() as connection:
            proof = await self._prove(connection, token, asked)
            if proof is None:
                return {"msg": FIRST_HALF, "code": "200"}
            return await room.sessions.begin(connection, proof.user_id, "otp", asked.client)

    async def code(self, token: Token, asked: Asked) -> str | None:
        """Return a PKCE code for a link; None after the first half of an e-mail change."""
        async with self._room.store.transaction() as connection:
            proof = await self._prove(connection, token, asked)
            if proof is None:
                return None
            return await issue_code(connection, proof.user_id, proof.method)

    def _check_guesses(self, token: Token) -> None:
        address = token.phone or token.email
        if not address or token.code == self._room.letters.texter.test_otp(address):
            return
        # The link in the same mail goes on working, it cannot be guessed.
        self._guesses.take(address)

    async def _prove(self, connection: Connection, token: Token, asked: Asked) -> Proof | None:
        user, token_type = await self._taken(connection, token, asked)
        with accounts.saving("updating user"):
            if not await self._effects.apply(connection, user, token.type, token_type):
                return None
            await accounts.refresh_providers(connection, user["id"])
        return Proof(user_id=user["id"], method=_method(token.type, token_type))

    async def _taken(self, connection: Connection, token: Token, asked: Asked) -> tuple[Row, str]:
        """Return whose a token is and which it was, and use it up."""
        refusal = _refusal(token)
        hashes = token.hashes(self._room.letters.hasher)
        token_types = _token_types(token)
        user = await self._owner(connection, token, token_types, asked)
        if user is None:
            raise refusal
        if user["is_banned"]:
            raise AuthError(403, "user_banned", "User is banned")
        if token.phone and token.code == self._room.letters.texter.test_otp(token.phone):
            return user, token_types[0]
        found = await one_time.matching(connection, user["id"], hashes, token_types)
        lifetime = self._room.config.sms if token.phone else self._room.config.mail
        if found is None or one_time.is_expired(
            user[one_time.SENT_AT[found["token_type"]]],
            lifetime.otp_lifetime_s,
            datetime.now(UTC),
        ):
            raise refusal
        await one_time.take(connection, user["id"], found["token_type"])
        return user, found["token_type"]

    async def _owner(
        self, connection: Connection, token: Token, token_types: tuple[str, ...], asked: Asked
    ) -> Row | None:
        if token.type == "sms":
            return await accounts.lock_by_phone(connection, token.phone, asked.audience)
        hashes = token.hashes(self._room.letters.hasher)
        owner = await one_time.owner_of(connection, hashes, token_types)
        if owner is not None:
            return await accounts.lock(connection, owner)
        if token.type == "phone_change":
            return await accounts.lock_by_new_phone(connection, token.phone, asked.audience)
        return None


def _token_types(token: Token) -> tuple[str, ...]:
    known = _PHONE_TOKENS if token.phone else _TOKENS
    if token.type not in known:
        text = "Invalid email verification type" if token.hash else "Unsupported verification type"
        raise validation_failed(text)
    return known[token.type]


def _method(asked_type: str, token_type: str) -> str:
    if token_type == one_time.CONFIRMATION:
        return "email/signup"
    return "magiclink" if asked_type == "email" else asked_type


def _refusal(token: Token) -> AuthError:
    text = (
        "Email link is invalid or has expired" if token.hash else "Token has expired or is invalid"
    )
    return AuthError(403, "otp_expired", text)
