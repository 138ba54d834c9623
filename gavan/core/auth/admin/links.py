"""Links that prove an address and that an administrator sends in a way of their own.

The same tokens as those of mails, without a mail and without its frequency limit (supabase/auth:
internal/api/mail.go).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gavan.core.auth.admin.invites import announced, new_by_email, record_invite, unconfirmed
from gavan.core.auth.errors import AuthError, validation_failed
from gavan.core.auth.flows import accounts, one_time
from gavan.core.auth.flows.addresses import email_exists, email_of
from gavan.core.auth.flows.letters import note_email_change
from gavan.core.auth.flows.passwordless import random_password
from gavan.core.auth.flows.room import Asked, Room
from gavan.core.auth.flows.user_hooks import after_created
from gavan.core.auth.mail.links import confirmation_url
from gavan.core.auth.model import Row
from gavan.core.auth.show import show_user
from gavan.core.auth.store import Connection

EMAIL_CHANGES = frozenset({"email_change_current", "email_change_new"})
NEEDS_USER = EMAIL_CHANGES | {"recovery"}
TYPES = NEEDS_USER | {"signup", "invite", "magiclink"}


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedLink:
    """The input of generate_link; absent texts are empty."""

    type: str
    email: str
    new_email: str = ""
    password: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Link:
    """A link in the making: ``hashed`` is stored, ``new`` the account if there is none yet."""

    wanted: WantedLink
    new: accounts.NewUser
    otp: str
    hashed: str
    asked: Asked
    actor: Row


class Links:
    """Makes links."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def generate(self, wanted: WantedLink, asked: Asked, *, actor: Row) -> dict[str, Any]:
        """Return the user object with a link that proves the address; nothing is sent.

        Raises:
            AuthError: 404 for an unknown address that has to be known, 422 ``email_exists``.
        """
        wanted = await self._resolved(wanted, asked)
        link = await self._made(wanted, asked, actor)
        with accounts.saving("saving new user"):
            async with self._room.store.transaction() as connection:
                user = await self._store(connection, link)
                body = await show_user(connection, await accounts.lock(connection, user["id"]))
        if user["id"] == link.new.id:
            await after_created(self._room, body)
        config = self._room.config
        link_type = "email_change" if wanted.type in EMAIL_CHANGES else wanted.type
        return body | {
            "action_link": confirmation_url(
                config.mail, config.urls.external_url, link_type, link.hashed, asked.redirect_to
            ),
            "email_otp": link.otp,
            "hashed_token": link.hashed,
            "verification_type": wanted.type,
            "redirect_to": asked.redirect_to,
        }

    async def _resolved(self, wanted: WantedLink, asked: Asked) -> WantedLink:
        """Return a checked input; a magic link for nobody is a sign-up."""
        email = email_of(wanted.email)
        if wanted.type not in TYPES:
            raise validation_failed(f"Invalid email action link type requested: {wanted.type}")
        async with self._room.store.transaction() as connection:
            known = await accounts.find_by_email(connection, email, asked.audience)
        if known is None and wanted.type in NEEDS_USER:
            raise AuthError(404, "user_not_found", "User with this email not found")
        link_type, password = wanted.type, wanted.password
        if known is None and link_type == "magiclink":
            required = self._room.config.passwords.required_characters
            link_type, password = "signup", random_password(required, 64)
        if link_type == "signup" and known is None and not password:
            raise validation_failed("Signup requires a valid password")
        if link_type == "signup" and known is None:
            await self._room.passwords.check(password)
        return WantedLink(
            type=link_type,
            email=email,
            new_email=self._new_email(wanted) if link_type in EMAIL_CHANGES else "",
            password=password if link_type == "signup" else "",
            data=wanted.data,
        )

    def _new_email(self, wanted: WantedLink) -> str:
        asks_both = self._room.config.mail.double_confirm_changes
        if wanted.type == "email_change_current" and not asks_both:
            raise validation_failed("Enable secure email change to generate link for current email")
        return email_of(wanted.new_email)

    async def _made(self, wanted: WantedLink, asked: Asked, actor: Row) -> _Link:
        password_hash = ""
        if wanted.password:
            password_hash = await self._room.passwords.hash(wanted.password)
        new = new_by_email(wanted.email, wanted.data, asked, password_hash=password_hash)
        otp = one_time.new_code(self._room.config.mail.otp_length)
        address = wanted.new_email if wanted.type == "email_change_new" else wanted.email
        return _Link(
            wanted=wanted,
            new=await announced(self._room, new, asked),
            otp=otp,
            hashed=self._room.letters.hasher.hash(address, otp),
            asked=asked,
            actor=actor,
        )

    async def _store(self, connection: Connection, link: _Link) -> Row:
        """Store the token, after making the account if it is to be made; return the account."""
        match link.wanted.type:
            case "signup" | "invite":
                return await self._sign_up(connection, link)
            case "magiclink" | "recovery":
                user = await self._known(connection, link)
                await self._room.audit.record(connection, "user_recovery_requested", user)
                await _note(connection, user, link, one_time.RECOVERY, "sent_recovery")
                return user
            case _:
                return await self._email_change(connection, link)

    async def _sign_up(self, connection: Connection, link: _Link) -> Row:
        user = await unconfirmed(connection, link.new, link.asked)
        if link.wanted.type == "invite":
            await record_invite(self._room, connection, user, link.actor)
            await _note(connection, user, link, one_time.CONFIRMATION, "sent_invite")
            return user
        if user["id"] != link.new.id:
            await accounts.merge_metadata(connection, user["id"], user=link.wanted.data)
        await _note(connection, user, link, one_time.CONFIRMATION, "sent_confirmation")
        return user

    async def _email_change(self, connection: Connection, link: _Link) -> Row:
        user = await self._known(connection, link)
        new_email = link.wanted.new_email
        claimed = await accounts.lock_by_claim(
            connection,
            new_email,
            link.asked.audience,
            linking_domains=self._room.config.external.linking_domains,
            except_id=user["id"],
        )
        if claimed is not None:
            raise email_exists()
        is_current = link.wanted.type == "email_change_current"
        await note_email_change(
            connection,
            user,
            new_email,
            new_hash=None if is_current else link.hashed,
            current_hash=link.hashed if is_current else None,
        )
        return user

    async def _known(self, connection: Connection, link: _Link) -> Row:
        user = await accounts.lock_by_email(connection, link.wanted.email, link.asked.audience)
        if user is None:
            raise AuthError(404, "user_not_found", "User with this email not found")
        return user


async def _note(
    connection: Connection, user: Row, link: _Link, token_type: str, noted_by: str
) -> None:
    await one_time.queries.change(connection, noted_by, id=user["id"], token_hash=link.hashed)
    await one_time.put(
        connection,
        user["id"],
        token_type,
        relates_to=link.wanted.email,
        hashed=link.hashed,
    )
