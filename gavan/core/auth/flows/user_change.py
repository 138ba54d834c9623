"""PUT /user: what users may change about themselves, and what each change has to prove.

Supabase/auth:internal/api/user.go. A change of address only begins here; /verify ends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gavan.core.auth.errors import AuthError, validation_failed
from gavan.core.auth.flows import accounts, one_time
from gavan.core.auth.flows.addresses import (
    email_exists,
    email_of,
    phone_exists,
    phone_of,
)
from gavan.core.auth.flows.flow_state import IMPLICIT, Challenge, NewFlow, begin_flow
from gavan.core.auth.flows.notices import Notice
from gavan.core.auth.flows.room import Asked, Room
from gavan.core.auth.flows.verified import Effects
from gavan.core.auth.guard.guesses import Guesses
from gavan.core.auth.model import Caller, Row
from gavan.core.auth.show import show_user
from gavan.core.auth.store import Connection

FRESH = timedelta(hours=24)
"""A session younger than this needs no reauthentication for a new password."""
PROVING_METHODS = frozenset({"otp", "magiclink", "recovery"})
"""Ways in that stand for the current password: somebody who forgot it has none to give."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChange:
    """The input of PUT /user; what is not to be changed is empty or None."""

    email: str = ""
    phone: str = ""
    password: str | None = None
    current_password: str = ""
    nonce: str = ""
    data: Mapping[str, Any] | None = None
    app_metadata: Mapping[str, Any] | None = None
    channel: str = ""
    challenge: Challenge = IMPLICIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a caller's session was opened with, and whether it could be worth more."""

    methods: frozenset[str]
    has_factor: bool


class UserChanges:
    """Changes the caller."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._effects = Effects(room)
        self._guesses = Guesses()

    async def update(self, caller: Caller, wanted: UserChange, asked: Asked) -> dict[str, Any]:
        """Change what is wanted and return the user object.

        Raises:
            AuthError: in the order that upstream checks.
        """
        wanted = await self._checked(wanted)
        standing = await self._standing(caller)
        check_allowed(caller, wanted, standing)
        await self._check_free(caller.user, wanted, asked)
        hashed = await self._new_password(caller, wanted, standing)
        room = self._room
        with accounts.saving("updating user"):
            async with room.store.transaction() as connection:
                user = await accounts.lock(connection, caller.user["id"])
                if hashed is not None:
                    await self._set_password(connection, caller, user, hashed)
                await accounts.merge_metadata(
                    connection, user["id"], user=wanted.data, app=wanted.app_metadata
                )
                await self._change_email(connection, user, wanted, asked)
                user = await accounts.lock(connection, user["id"])
                await self._change_phone(connection, user, wanted)
                await room.audit.record(connection, "user_modified", user)
                return await show_user(connection, await accounts.lock(connection, user["id"]))

    async def _checked(self, wanted: UserChange) -> UserChange:
        email = email_of(wanted.email) if wanted.email else ""
        phone = phone_of(wanted.phone) if wanted.phone else ""
        channel = self._room.letters.texter.channel_of(wanted.channel) if phone else ""
        if wanted.password is not None:
            await self._room.passwords.check(wanted.password)
        wanted.challenge.check()
        return replace(wanted, email=email, phone=phone, channel=channel)

    async def _standing(self, caller: Caller) -> Standing:
        async with self._room.store.transaction() as connection:
            row = await accounts.queries.one(
                connection,
                "standing",
                user_id=caller.user["id"],
                session_id=caller.session_id,
            )
        known = row or {}
        return Standing(
            methods=frozenset(known.get("methods") or ()),
            has_factor=bool(known.get("has_factor")),
        )

    async def _check_free(self, user: Row, wanted: UserChange, asked: Asked) -> None:
        async with self._room.store.transaction() as connection:
            if wanted.email and wanted.email != user["email"]:
                claimed = await accounts.lock_by_claim(
                    connection,
                    wanted.email,
                    asked.audience,
                    linking_domains=self._room.config.external.linking_domains,
                    except_id=user["id"],
                )
                if claimed is not None:
                    raise email_exists()
            new_phone = wanted.phone if wanted.phone != user["phone"] else ""
            if new_phone and await accounts.find_by_phone(connection, new_phone, asked.audience):
                raise phone_exists()

    async def _new_password(
        self, caller: Caller, wanted: UserChange, standing: Standing
    ) -> str | None:
        """Return the hash to store, None to leave the one that stands."""
        if wanted.password is None:
            return None
        room, security = self._room, self._room.config.security
        if security.password_needs_reauthentication and not _is_fresh(caller):
            if not wanted.nonce:
                raise AuthError(
                    400, "reauthentication_needed", "Password update requires reauthentication"
                )
            await self._use_nonce(caller.user, wanted.nonce)
        stored = caller.user["encrypted_password"]
        if stored and security.password_needs_current and not standing.methods & PROVING_METHODS:
            await self._check_current(stored, wanted.current_password)
        if stored and await room.passwords.verify(wanted.password, stored):
            raise AuthError(
                422, "same_password", "New password should be different from the old password."
            )
        return await room.passwords.hash(wanted.password)

    async def _check_current(self, stored: str, current: str) -> None:
        text = "Current password required when setting new password."
        if not current:
            raise AuthError(400, "current_password_required", text)
        if not await self._room.passwords.verify(current, stored):
            raise AuthError(400, "current_password_invalid", text)

    async def _use_nonce(self, user: Row, nonce: str) -> None:
        config = self._room.config
        self._guesses.take(str(user["id"]))
        address = (user["email"] or "").lower() or user["phone"] or ""
        lifetime_s = (config.mail if user["email"] else config.sms).otp_lifetime_s
        hashes = self._room.letters.hasher.typed(address, nonce)
        async with self._room.store.transaction() as connection:
            locked = await accounts.lock(connection, user["id"])
            found = await one_time.matching(
                connection, user["id"], hashes, (one_time.REAUTHENTICATION,)
            )
            sent_at = locked["reauthentication_sent_at"]
            if found is None or one_time.is_expired(sent_at, lifetime_s, datetime.now(UTC)):
                raise AuthError(
                    422, "reauthentication_not_valid", "Nonce has expired or is invalid"
                )
            await one_time.reauthenticated(connection, user["id"])
        self._guesses.forget(str(user["id"]))

    async def _set_password(
        self, connection: Connection, caller: Caller, user: Row, hashed: str
    ) -> None:
        room = self._room
        await accounts.set_password(connection, user["id"], hashed, keeps_session=caller.session_id)
        await room.audit.record(connection, "user_updated_password", user)
        await room.notices.send(connection, Notice(kind="password_changed", user_id=user["id"]))

    async def _change_email(
        self, connection: Connection, user: Row, wanted: UserChange, asked: Asked
    ) -> None:
        room = self._room
        if not wanted.email or wanted.email == user["email"]:
            return
        if user["is_anonymous"] and room.config.mail.autoconfirm:
            # As a sign-up; an account with an address always has to prove the next one.
            pending = {**user, "email_change": wanted.email}
            await accounts.queries.change(
                connection, "pend_email", id=user["id"], email=wanted.email
            )
            await self._effects.email_changed(connection, pending)
            await accounts.refresh_providers(connection, user["id"])
            return
        if wanted.challenge.is_pkce:
            flow = NewFlow(
                provider_type="email_change",
                authentication_method="email_change",
                challenge=wanted.challenge,
                user_id=user["id"],
            )
            await begin_flow(connection, flow)
        current = await accounts.lock(connection, user["id"])
        await room.letters.email_change(
            connection, current, wanted.email, asked.redirect_to, wanted.challenge
        )

    async def _change_phone(self, connection: Connection, user: Row, wanted: UserChange) -> None:
        room = self._room
        if not wanted.phone or wanted.phone == user["phone"]:
            return
        if room.config.sms.autoconfirm:
            pending = {**user, "phone_change": wanted.phone}
            await accounts.queries.change(
                connection, "pend_phone", id=user["id"], phone=wanted.phone
            )
            await self._effects.phone_changed(connection, pending)
            await accounts.refresh_providers(connection, user["id"])
            return
        await room.letters.text(connection, user, wanted.phone, "phone_change", wanted.channel)


def check_allowed(caller: Caller, wanted: UserChange, standing: Standing) -> None:
    """Raise AuthError for a change that this caller may not make at all; pure."""
    user = caller.user
    if wanted.app_metadata is not None and not caller.is_admin:
        raise AuthError(403, "not_admin", "Updating app_metadata requires admin privileges")
    new_email = bool(wanted.email) and wanted.email != user["email"]
    new_phone = bool(wanted.phone) and wanted.phone != user["phone"]
    if standing.has_factor and caller.aal == "aal1" and (wanted.password or new_email or new_phone):
        raise AuthError(
            401,
            "insufficient_aal",
            "AAL2 session is required to update email or password when MFA is enabled.",
        )
    if user["is_anonymous"] and wanted.password and not wanted.email and not wanted.phone:
        raise validation_failed(
            "Updating password of an anonymous user without an email or phone is not allowed",
            status=422,
        )
    if user["is_sso_user"] and (wanted.password or new_email or new_phone or wanted.nonce):
        raise AuthError(
            422,
            "user_sso_managed",
            "Updating email, phone, password of a SSO account only possible via SSO",
        )


def _is_fresh(caller: Caller) -> bool:
    session = caller.session
    return session is not None and datetime.now(UTC) <= session["created_at"] + FRESH
