"""Invitations (supabase/auth:internal/api/invite.go)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gavan.core.auth.flows import accounts
from gavan.core.auth.flows.addresses import email_exists, email_of
from gavan.core.auth.flows.room import Asked, Room
from gavan.core.auth.flows.user_hooks import after_created, before_created
from gavan.core.auth.model import Row
from gavan.core.auth.show import show_user
from gavan.core.auth.store import Connection


class Invites:
    """Ways in that an administrator opens for one address."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def invite(
        self, email: str, data: Mapping[str, Any], asked: Asked, *, actor: Row
    ) -> dict[str, Any]:
        """Mail an invitation and return the user; raise AuthError 422 for a confirmed one."""
        room = self._room
        new = await announced(room, new_by_email(email_of(email), data, asked), asked)
        with accounts.saving("saving new user"):
            async with room.store.transaction() as connection:
                user = await unconfirmed(connection, new, asked)
                await record_invite(room, connection, user, actor)
                await room.letters.invite(connection, user, asked.redirect_to)
                body = await show_user(connection, await accounts.lock(connection, user["id"]))
        if user["id"] == new.id:
            await after_created(room, body)
        return body


def new_by_email(
    email: str, data: Mapping[str, Any], asked: Asked, *, password_hash: str = ""
) -> accounts.NewUser:
    """Return an account of an address, to be made if there is none yet."""
    return accounts.NewUser(
        aud=asked.audience,
        email=email,
        password_hash=password_hash,
        user_metadata=data,
        app_metadata=accounts.providers_metadata("email"),
    )


async def announced(room: Room, new: accounts.NewUser, asked: Asked) -> accounts.NewUser:
    """Return an account after the stack's hook had its say, which is asked for new ones only."""
    async with room.store.transaction() as connection:
        known = await accounts.find_by_email(connection, new.email, asked.audience)
    if known is None:
        await before_created(room, new)
    return new


async def unconfirmed(connection: Connection, new: accounts.NewUser, asked: Asked) -> Row:
    """Return the account of an address, made if there is none.

    Raises:
        AuthError: 422 ``email_exists`` when it is confirmed.
    """
    user = await accounts.lock_by_email(connection, new.email, asked.audience)
    if user is not None:
        if user["email_confirmed_at"] is not None:
            raise email_exists()
        return user
    user = await accounts.insert(connection, new)
    data = accounts.identity_data(new.id, email=new.email)
    await accounts.add_identity(connection, new.id, "email", data)
    return user


async def record_invite(room: Room, connection: Connection, user: Row, actor: Row) -> None:
    """Write an invitation into the audit log."""
    traits = {"user_id": str(user["id"]), "user_email": user["email"]}
    await room.audit.record(connection, "user_invited", actor, traits)
