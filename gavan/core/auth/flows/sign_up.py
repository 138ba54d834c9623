"""Sign up: by e-mail, by phone, or as nobody in particular.

What is answered for an address that is taken gives nothing away when addresses have to be
confirmed: the same shape, after the same hashing (supabase/auth:internal/api/signup.go,
anonymous.go). The user, the triggers of the stack on auth.users, the identity and the message
are one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import psycopg

from gavan.core.auth.config.auth import AuthConfig
from gavan.core.auth.errors import AuthError, database_error, validation_failed
from gavan.core.auth.flows import accounts
from gavan.core.auth.flows.addresses import email_of, phone_of
from gavan.core.auth.flows.flow_state import IMPLICIT, Challenge, NewFlow, begin_flow
from gavan.core.auth.flows.room import Asked, Room
from gavan.core.auth.flows.user_hooks import after_created, before_created
from gavan.core.auth.model import Row, rfc3339
from gavan.core.auth.show import show_user
from gavan.core.auth.store import Connection

TRIES = 2
"""A parallel sign-up of the same address may win; the second try finds its user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUp:
    """The input of a sign-up; absent texts are empty."""

    email: str = ""
    phone: str = ""
    password: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    channel: str = ""
    challenge: Challenge = IMPLICIT

    @property
    def provider(self) -> str:
        """``email`` or ``phone``."""
        return "email" if self.email else "phone"


class _Exists(Exception):
    """The address belongs to a confirmed account, whose row this carries."""

    def __init__(self, user: Row) -> None:
        super().__init__()
        self.user = user


class SignUps:
    """The ways into a stack without an invitation."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def enter(self, wanted: SignUp, asked: Asked) -> dict[str, Any]:
        """Sign somebody up by what they gave: an address, or nothing at all."""
        external = self._room.config.external
        if wanted.email or wanted.phone or self._room.config.is_signup_disabled:
            return await self.sign_up(wanted, asked)
        if not external.anonymous_enabled:
            raise AuthError(422, "anonymous_provider_disabled", "Anonymous sign-ins are disabled")
        return await self.anonymous(wanted.data, asked)

    async def anonymous(self, data: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
        """Return the session of a new user without an address."""
        room = self._room
        new = accounts.NewUser(aud=asked.audience, user_metadata=data, is_anonymous=True)
        await before_created(room, new)
        with accounts.saving("creating anonymous user"):
            async with room.store.transaction() as connection:
                await accounts.insert(connection, new)
                body = await room.sessions.begin(connection, new.id, "anonymous", asked.client)
        await after_created(room, body["user"])
        return body

    async def sign_up(self, wanted: SignUp, asked: Asked) -> dict[str, Any]:
        """Return the session of a user who needs no confirmation, else the user object.

        Raises:
            AuthError: in the order that upstream checks; 422 ``user_already_exists`` only where
                confirmations are off, 429 when the last message is too recent.
        """
        if self._room.config.is_signup_disabled:
            raise AuthError(422, "signup_disabled", "Signups not allowed for this instance")
        wanted = await self._checked(wanted)
        new = accounts.NewUser(
            aud=asked.audience,
            email=wanted.email,
            phone=wanted.phone,
            password_hash=await self._room.passwords.hash(wanted.password),
            user_metadata=wanted.data,
            app_metadata=accounts.providers_metadata(wanted.provider),
        )
        try:
            return await self._try_twice(wanted, new, asked)
        except _Exists as existing:
            return await self._repeated(wanted, existing.user, asked)

    async def _checked(self, wanted: SignUp) -> SignUp:
        if not wanted.password:
            raise validation_failed("Signup requires a valid password")
        await self._room.passwords.check(wanted.password)
        if wanted.email and wanted.phone:
            raise validation_failed(
                "Only an email address or phone number should be provided on signup."
            )
        channel = self._room.letters.texter.channel_of(wanted.channel) if wanted.phone else ""
        if wanted.phone and wanted.challenge.is_pkce:
            raise validation_failed("PKCE not supported for phone signups")
        wanted.challenge.check()
        _check_offered(self._room.config, wanted.provider)
        return SignUp(
            email=email_of(wanted.email) if wanted.email else "",
            phone=phone_of(wanted.phone) if wanted.phone else "",
            password=wanted.password,
            data=wanted.data,
            channel=channel,
            challenge=wanted.challenge,
        )

    async def _try_twice(
        self, wanted: SignUp, new: accounts.NewUser, asked: Asked
    ) -> dict[str, Any]:
        if await self._find(wanted, asked) is None:
            await before_created(self._room, new)
        for left in reversed(range(TRIES)):
            try:
                return await self._enter(wanted, new, asked)
            except psycopg.errors.UniqueViolation as error:
                if accounts.taken(error) is None:
                    raise database_error("saving new user") from error
                if not left:  # it is an account's of another audience
                    return await self._repeated(wanted, None, asked)
            except psycopg.OperationalError:
                raise
            except psycopg.Error as error:
                raise database_error("saving new user") from error
        raise AssertionError("the last try returns or raises")

    async def _find(self, wanted: SignUp, asked: Asked) -> Row | None:
        async with self._room.store.transaction() as connection:
            return await self._claimed(connection, wanted, asked)

    async def _claimed(self, connection: Connection, wanted: SignUp, asked: Asked) -> Row | None:
        if wanted.phone:
            return await accounts.lock_by_phone(connection, wanted.phone, asked.audience)
        return await accounts.lock_by_claim(
            connection,
            wanted.email,
            asked.audience,
            linking_domains=self._room.config.external.linking_domains,
        )

    async def _enter(self, wanted: SignUp, new: accounts.NewUser, asked: Asked) -> dict[str, Any]:
        room = self._room
        async with room.store.transaction() as connection:
            user = await self._claimed(connection, wanted, asked)
            if user is not None and _is_confirmed(user, wanted.provider):
                raise _Exists(user)
            if user is None:
                user = await accounts.insert(connection, new)
            await self._ensure_identity(connection, user, wanted)
            await self._prove(connection, user, wanted, asked)
            user = await accounts.lock(connection, user["id"])
            if user["email_confirmed_at"] or user["phone_confirmed_at"]:
                traits = {"provider": wanted.provider}
                await room.audit.record(connection, "login", user, traits)
                body = await room.sessions.begin(connection, user["id"], "password", asked.client)
            else:
                body = await show_user(connection, user)
        if user["invited_at"] and "access_token" not in body:
            body |= {"user_metadata": {}, "identities": []}
        if user["id"] == new.id:
            await after_created(room, body.get("user", body))
        return body

    async def _ensure_identity(self, connection: Connection, user: Row, wanted: SignUp) -> None:
        if await accounts.has_identity(connection, user["id"], wanted.provider):
            return
        known = accounts.identity_data(user["id"], email=user["email"] or "")
        data = dict(wanted.data) | known
        await accounts.add_identity(connection, user["id"], wanted.provider, data)
        await accounts.keep_only_identity(connection, user["id"], wanted.provider, data)

    async def _prove(self, connection: Connection, user: Row, wanted: SignUp, asked: Asked) -> None:
        """Confirm the address at once, or send what confirms it."""
        room, provider = self._room, wanted.provider
        is_confirmed_at_once = (
            room.config.mail.autoconfirm if wanted.email else room.config.sms.autoconfirm
        )
        action = "user_signedup" if is_confirmed_at_once else "user_confirmation_requested"
        await room.audit.record(connection, action, user, {"provider": provider})
        if is_confirmed_at_once:
            confirm = accounts.confirm_email if wanted.email else accounts.confirm_phone
            await confirm(connection, user["id"])
            return
        if wanted.phone:
            await room.letters.text(connection, user, wanted.phone, "confirmation", wanted.channel)
            return
        if wanted.challenge.is_pkce:
            flow = NewFlow(
                provider_type=provider,
                authentication_method="email/signup",
                challenge=wanted.challenge,
                user_id=user["id"],
            )
            await begin_flow(connection, flow)
        await room.letters.confirmation(connection, user, asked.redirect_to, wanted.challenge)

    async def _repeated(self, wanted: SignUp, user: Row | None, asked: Asked) -> dict[str, Any]:
        room = self._room
        if user is not None:
            async with room.store.transaction() as connection:
                traits = {"provider": wanted.provider}
                await room.audit.record(connection, "user_repeated_signup", user, traits)
        if room.config.mail.autoconfirm or room.config.sms.autoconfirm:
            raise AuthError(422, "user_already_exists", "User already registered")
        await room.letters.mailer.pretend()
        return look_alike(wanted, asked.audience, datetime.now(UTC))


def look_alike(wanted: SignUp, audience: str, now: datetime) -> dict[str, Any]:
    """Return the answer for an address that is taken: nothing in it is of the account's owner."""
    moment = rfc3339(now)
    return {
        "id": str(uuid4()),
        "aud": audience,
        "role": "",
        "email": wanted.email,
        "phone": wanted.phone,
        "confirmation_sent_at": moment,
        "app_metadata": accounts.providers_metadata(wanted.provider),
        "user_metadata": dict(wanted.data),
        "identities": [],
        "created_at": moment,
        "updated_at": moment,
        "is_anonymous": False,
    }


def _is_confirmed(user: Row, provider: str) -> bool:
    return user[f"{provider}_confirmed_at"] is not None


def _check_offered(config: AuthConfig, provider: str) -> None:
    if provider == "email" and not config.external.email_enabled:
        raise AuthError(400, "email_provider_disabled", "Email signups are disabled")
    if provider == "phone" and not config.external.phone_enabled:
        raise AuthError(400, "phone_provider_disabled", "Phone signups are disabled")
