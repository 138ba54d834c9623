"""Let somebody in whom a provider vouches for: know them, link them or make their account.

Stands between the callback or the ``id_token`` grant and the accounts. Everything here runs in the
caller's transaction (supabase/auth:internal/api/external.go, identity.go).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import psycopg

from gavan.core.auth.config.auth import AuthConfig
from gavan.core.auth.errors import AuthError, validation_failed
from gavan.core.auth.flows import accounts
from gavan.core.auth.flows.notices import Notice
from gavan.core.auth.flows.room import Asked, Room
from gavan.core.auth.flows.user_hooks import after_created, before_created
from gavan.core.auth.model import Row
from gavan.core.auth.oauth.addresses import settle_email
from gavan.core.auth.oauth.linking import Decision, Link, decide
from gavan.core.auth.oauth.profile import Profile
from gavan.core.auth.oauth.queries import queries
from gavan.core.auth.show import show_user
from gavan.core.auth.store import Connection, Store, change

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Somebody a provider vouches for."""

    profile: Profile
    provider: str
    email_optional: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """Who came in.

    ``refusal`` is to be raised after the commit: a mail about the account is on its way.
    """

    user_id: UUID
    is_new: bool = False
    refusal: AuthError | None = None


class Entries:
    """The ways in."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def ask_hook(self, arrival: Arrival, asked: Asked) -> None:
        """Ask the stack's own code whether an account may be made, if one would be.

        Outside of any transaction; raises AuthError when sign-ups are off or the hook refuses.
        """
        room = self._room
        if not room.hooks.has("before_user_created"):
            return
        async with room.store.transaction() as connection:
            decision = await self._decide(connection, arrival, asked)
        if decision.link is Link.CREATE:
            _check_sign_ups(room.config)
            await before_created(room, _new_user(arrival, decision, asked))

    async def sign_in(self, connection: Connection, arrival: Arrival, asked: Asked) -> Entered:
        """Find or make the account of somebody.

        Raises:
            AuthError: 422 ``signup_disabled``, 403 ``user_banned``, 500 for ambiguous addresses.
        """
        decision = await self._decide(connection, arrival, asked)
        if decision.link is Link.CREATE:
            user_id = await self._create(connection, arrival, decision, asked)
        elif decision.link is Link.LINK:
            user_id = await self._link(connection, arrival, decision, asked)
        else:
            user_id = await self._refresh(connection, arrival, decision)
        user = await accounts.lock(connection, user_id)
        if user["is_banned"]:
            raise AuthError(403, "user_banned", "User is banned")
        has_email = bool(decision.email.address) or not arrival.email_optional
        refusal = None
        if has_email and user["email_confirmed_at"] is None:
            refusal = await self._confirm(connection, arrival, decision, user, asked)
        else:
            traits = {"provider": arrival.provider}
            await self._room.audit.record(connection, "login", user, traits)
        return Entered(user_id=user_id, is_new=decision.link is Link.CREATE, refusal=refusal)

    async def link(
        self, connection: Connection, arrival: Arrival, target_id: UUID, asked: Asked
    ) -> Entered:
        """Give an account that asked for it one more way to sign in.

        Raises:
            AuthError: 422 ``identity_already_exists``, 400 ``email_exists``.
        """
        room, profile = self._room, arrival.profile
        target = await accounts.lock(connection, target_id)
        known = await queries.one(
            connection, "identity_by_subject", subject=profile.subject, provider=arrival.provider
        )
        if known is not None:
            raise _already_linked(is_own=known["user_id"] == target_id)
        await self._add_identity(connection, target, arrival, asked)
        refusal = None
        if not target["email"]:
            refusal = await self._take_address(connection, target_id, arrival, asked)
        await accounts.refresh_providers(connection, target_id)
        if refusal is None:
            await room.notices.send(
                connection,
                Notice(kind="identity_linked", user_id=target_id, provider=arrival.provider),
            )
        return Entered(user_id=target_id, refusal=refusal)

    async def accept_invite(
        self, connection: Connection, arrival: Arrival, token: str, asked: Asked
    ) -> Entered:
        """Let an invited person in by a provider that knows the invited address.

        Raises:
            AuthError: 404 ``invite_not_found``, 400 when the addresses differ.
        """
        found = await queries.one(connection, "user_by_confirmation_token", token=token)
        if found is None:
            raise AuthError(404, "invite_not_found", "Invite not found")
        user = await accounts.lock(connection, found["id"])
        addresses = {email.address.lower() for email in arrival.profile.emails}
        if (user["email"] or "").lower() not in addresses:
            raise validation_failed("Invited email does not match emails from external provider")
        data = arrival.profile.identity
        await accounts.add_identity(connection, user["id"], arrival.provider, data)
        traits = {"provider": arrival.provider}
        await self._room.audit.record(
            connection, "invite_accepted", user, traits, ip=asked.client.ip
        )
        await self._drop_unproved(connection, user["id"], arrival.provider, data)
        await accounts.confirm_email(connection, user["id"])
        return Entered(user_id=user["id"])

    async def _decide(self, connection: Connection, arrival: Arrival, asked: Asked) -> Decision:
        return await decide(
            connection,
            self._room.config,
            arrival.profile,
            provider=arrival.provider,
            aud=asked.audience,
        )

    async def _create(
        self, connection: Connection, arrival: Arrival, decision: Decision, asked: Asked
    ) -> UUID:
        _check_sign_ups(self._room.config)
        new = _new_user(arrival, decision, asked)
        await accounts.insert(connection, new)
        await accounts.add_identity(connection, new.id, arrival.provider, arrival.profile.identity)
        return new.id

    async def _link(
        self, connection: Connection, arrival: Arrival, decision: Decision, asked: Asked
    ) -> UUID:
        user = _found(decision)
        await self._add_identity(connection, user, arrival, asked)
        await accounts.merge_metadata(connection, user["id"], user=arrival.profile.identity)
        await accounts.refresh_providers(connection, user["id"])
        if user["email_confirmed_at"] is None:
            # Whoever made this account may still be in it.
            await change(connection, "delete_sessions_of", user_id=user["id"])
        user_id: UUID = user["id"]
        return user_id

    async def _refresh(self, connection: Connection, arrival: Arrival, decision: Decision) -> UUID:
        user, data = _found(decision), arrival.profile.identity
        await queries.change(
            connection,
            "refresh_identity",
            subject=arrival.profile.subject,
            provider=arrival.provider,
            data=data,
        )
        await accounts.merge_metadata(connection, user["id"], user=data)
        await accounts.refresh_providers(connection, user["id"])
        user_id: UUID = user["id"]
        return user_id

    async def _add_identity(
        self, connection: Connection, user: Row, arrival: Arrival, asked: Asked
    ) -> None:
        await accounts.add_identity(
            connection, user["id"], arrival.provider, arrival.profile.identity
        )
        traits = {"provider": arrival.provider, "provider_id": arrival.profile.subject}
        await self._room.audit.record(
            connection, "identity_linked", user, traits, ip=asked.client.ip
        )

    async def _confirm(
        self,
        connection: Connection,
        arrival: Arrival,
        decision: Decision,
        user: Row,
        asked: Asked,
    ) -> AuthError | None:
        """Settle an account whose address nobody proved; return what its owner has to hear."""
        config, provider = self._room.config, arrival.provider
        await self._drop_unproved(connection, user["id"], provider, arrival.profile.identity)
        if decision.email.is_verified or config.mail.autoconfirm:
            traits = {"provider": provider}
            await self._room.audit.record(connection, "user_signedup", user, traits)
            await accounts.confirm_email(connection, user["id"])
            return None
        if decision.email.address:
            await self._room.letters.confirmation(connection, user, asked.redirect_to)
        if config.mail.allows_unverified_sign_ins:
            return None
        return _unverified(provider, was_mailed=bool(decision.email.address))

    async def _drop_unproved(
        self, connection: Connection, user_id: UUID, provider: str, data: dict[str, Any]
    ) -> None:
        # Somebody else may have signed up with this address to wait for its owner: their other
        # ways in, and their password, go before the owner comes in.
        await queries.change(connection, "drop_password", id=user_id)
        await accounts.keep_only_identity(connection, user_id, provider, data)

    async def _take_address(
        self, connection: Connection, user_id: UUID, arrival: Arrival, asked: Asked
    ) -> AuthError | None:
        """Give an account without an address the one of its new identity."""
        config = self._room.config
        is_free = await settle_email(
            connection, user_id, aud=asked.audience, autoconfirm=config.mail.autoconfirm
        )
        if not is_free:
            raise AuthError(
                400, "email_exists", "A user with this email address has already been registered"
            )
        user = await accounts.lock(connection, user_id)
        data = arrival.profile.identity
        if not data["email_verified"]:
            await self._room.letters.confirmation(connection, user, asked.redirect_to)
            refusal = _unverified(arrival.provider, was_mailed=True)
            return AuthError(422, "email_not_confirmed", refusal.message)
        await accounts.confirm_email(connection, user_id)
        if user["is_anonymous"]:
            await accounts.become_permanent(connection, user_id)
        return None


async def settled(store: Store, step: Callable[[Connection], Awaitable[T]]) -> T:
    """Run a step in a transaction, once more when somebody came twice at once.

    The second time they are known, and what was made meanwhile is found.
    """
    try:
        async with store.transaction() as connection:
            return await step(connection)
    except psycopg.errors.UniqueViolation as error:
        if error.diag.schema_name != "auth":
            raise
        async with store.transaction() as connection:
            return await step(connection)


async def tell_of(room: Room, user_id: UUID) -> None:
    """Tell the stack's own code of a new account, after the commit that made it."""
    if not room.hooks.has("after_user_created"):
        return
    async with room.store.transaction() as connection:
        user = await show_user(connection, await accounts.lock(connection, user_id))
    await after_created(room, user)


def _found(decision: Decision) -> Row:
    if decision.user is None:
        raise AuthError(500, "unexpected_failure", "Database error finding user")
    return decision.user


def _new_user(arrival: Arrival, decision: Decision, asked: Asked) -> accounts.NewUser:
    return accounts.NewUser(
        aud=asked.audience,
        email=decision.email.address,
        user_metadata=arrival.profile.identity,
        app_metadata=accounts.providers_metadata(arrival.provider),
        is_sso_user=decision.domain != accounts.DEFAULT_DOMAIN,
    )


def _check_sign_ups(config: AuthConfig) -> None:
    if config.is_signup_disabled:
        raise AuthError(422, "signup_disabled", "Signups not allowed for this instance")


def _already_linked(*, is_own: bool) -> AuthError:
    whose = "" if is_own else " to another user"
    return AuthError(422, "identity_already_exists", f"Identity is already linked{whose}")


def _unverified(provider: str, *, was_mailed: bool) -> AuthError:
    then = (
        f"A confirmation email has been sent to your {provider} email"
        if was_mailed
        else f"Verify the email with {provider} in order to sign in"
    )
    return AuthError(
        422, "provider_email_needs_verification", f"Unverified email with {provider}. {then}"
    )
