"""Users as an administrator makes, changes and deletes them (supabase/auth:
internal/api/admin.go).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from gavan.core.auth.admin.paging import Page
from gavan.core.auth.errors import AuthError, validation_failed
from gavan.core.auth.flows import accounts, one_time
from gavan.core.auth.flows.addresses import email_exists, phone_exists
from gavan.core.auth.flows.passwordless import random_password
from gavan.core.auth.flows.room import Room
from gavan.core.auth.guard.strength import check_length
from gavan.core.auth.hashes import check_hash
from gavan.core.auth.model import Row, user_json
from gavan.core.auth.show import show_user
from gavan.core.auth.store import Connection, Queries, change

queries = Queries(Path(__file__).parent / "sql" / "admin.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminUser:
    """A user to make or to change; None leaves a thing as it is.

    ``ban_s`` is a length in seconds when ``bans`` is true, and None then ends a ban.
    """

    id: UUID | None = None
    aud: str = ""
    role: str = ""
    email: str = ""
    phone: str = ""
    password: str | None = None
    password_hash: str = ""
    email_confirm: bool = False
    phone_confirm: bool = False
    user_metadata: Mapping[str, Any] | None = None
    app_metadata: Mapping[str, Any] | None = None
    bans: bool = False
    ban_s: float | None = None


class AdminUsers:
    """The user table as an administrator sees it; ``actor`` is who the audit log names."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def list(
        self, page: Page, *, aud: str, text: str, ascending: bool
    ) -> tuple[list[dict[str, Any]], int]:
        """Return the users of a page whose address or name has ``text``, and how many there are."""
        pattern = f"%{text}%" if text else None
        async with self._room.store.transaction() as connection:
            users = await queries.many(
                connection,
                "list_users",
                aud=aud,
                pattern=pattern,
                ascending=ascending,
                limit=page.size,
                offset=page.offset,
            )
            counted = await queries.one(connection, "count_users", aud=aud, pattern=pattern)
            identities = await queries.many(
                connection, "identities_of_many", user_ids=[user["id"] for user in users]
            )
        by_user: dict[UUID, list[Row]] = {}
        for identity in identities:
            by_user.setdefault(identity["user_id"], []).append(identity)
        total = counted["total"] if counted else 0
        return [user_json(user, by_user.get(user["id"], [])) for user in users], total

    async def create(self, wanted: AdminUser, *, aud: str, actor: Row) -> dict[str, Any]:
        """Make a user; the password may be weak.

        Raises:
            AuthError: 422 for an address or a number that is taken, 400 for what does not go
                together.
        """
        if not wanted.email and not wanted.phone:
            raise validation_failed("Cannot create a user without either an email or phone")
        aud = wanted.aud or aud
        await self._check_free(wanted, aud)
        providers = [name for name in ("email", "phone") if getattr(wanted, name)]
        new = accounts.NewUser(
            id=wanted.id or uuid4(),
            aud=aud,
            role=wanted.role or "authenticated",
            email=wanted.email,
            phone=wanted.phone,
            password_hash=await self._first_password(wanted),
            user_metadata=wanted.user_metadata or {},
            app_metadata=accounts.providers_metadata(*providers),
        )
        with accounts.saving("creating new user"):
            async with self._room.store.transaction() as connection:
                await accounts.insert(connection, new)
                for provider in providers:
                    data = accounts.identity_data(new.id, **{provider: getattr(wanted, provider)})
                    await accounts.add_identity(connection, new.id, provider, data)
                await self._apply(connection, new.id, wanted)
                await accounts.merge_metadata(connection, new.id, app=wanted.app_metadata)
                user = await accounts.lock(connection, new.id)
                traits = _traits(user) | {"provider": providers[0]}
                await self._room.audit.record(connection, "user_signedup", actor, traits)
                return await show_user(connection, user)

    async def show(self, user_id: UUID) -> dict[str, Any]:
        """Return a user; raise AuthError 404 when there is none."""
        async with self._room.store.transaction() as connection:
            return await show_user(connection, await self._known(connection, user_id))

    async def update(self, user_id: UUID, wanted: AdminUser, *, actor: Row) -> dict[str, Any]:
        """Change a user; here a password has to be strong enough.

        A new password ends the user's sessions, a new address needs no proof.
        """
        hashed = None
        if wanted.password is not None:
            await self._room.passwords.check(wanted.password)
            hashed = await self._room.passwords.hash(wanted.password)
        with accounts.saving("updating user"):
            async with self._room.store.transaction() as connection:
                await self._known(connection, user_id)
                if wanted.role:
                    await queries.change(connection, "set_role", id=user_id, role=wanted.role)
                if hashed is not None:
                    await accounts.set_password(connection, user_id, hashed, keeps_session=None)
                await self._apply(connection, user_id, wanted)
                await self._change_addresses(connection, user_id, wanted)
                await accounts.merge_metadata(
                    connection, user_id, user=wanted.user_metadata, app=wanted.app_metadata
                )
                user = await accounts.lock(connection, user_id)
                await self._room.audit.record(connection, "user_modified", actor, _traits(user))
                return await show_user(connection, user)

    async def delete(self, user_id: UUID, *, keeps_row: bool, actor: Row) -> None:
        """Delete a user, or with ``keeps_row`` only everything that names a person."""
        with accounts.saving("deleting user"):
            async with self._room.store.transaction() as connection:
                user = await self._known(connection, user_id)
                await self._room.audit.record(connection, "user_deleted", actor, _traits(user))
                if not keeps_row:
                    await queries.change(connection, "delete_user", id=user_id)
                elif user["deleted_at"] is None:
                    await self._forget(connection, user_id)

    async def _forget(self, connection: Connection, user_id: UUID) -> None:
        await queries.change(connection, "soft_delete_user", id=user_id)
        await queries.change(connection, "obfuscate_identities", user_id=user_id)
        await queries.change(connection, "delete_factors", user_id=user_id)
        await queries.change(connection, "delete_passkeys", user_id=user_id)
        await one_time.drop_all(connection, user_id)
        await change(connection, "delete_sessions_of", user_id=user_id)

    async def _known(self, connection: Connection, user_id: UUID) -> Row:
        user = await accounts.queries.one(connection, "lock_by_id", id=user_id)
        if user is None:
            raise AuthError(404, "user_not_found", "User not found")
        return user

    async def _check_free(self, wanted: AdminUser, aud: str) -> None:
        async with self._room.store.transaction() as connection:
            if wanted.email and await accounts.lock_by_claim(
                connection,
                wanted.email,
                aud,
                linking_domains=self._room.config.external.linking_domains,
            ):
                raise email_exists()
            if wanted.phone and await accounts.find_by_phone(connection, wanted.phone, aud):
                raise phone_exists()

    async def _first_password(self, wanted: AdminUser) -> str:
        if wanted.password is not None and wanted.password_hash:
            raise validation_failed("Only a password or a password hash should be provided")
        if wanted.password_hash:
            return check_hash(wanted.password_hash)
        passwords = self._room.passwords
        password = wanted.password or random_password((), 64)
        check_length(password)
        return await passwords.hash(password)

    async def _apply(self, connection: Connection, user_id: UUID, wanted: AdminUser) -> None:
        if wanted.email_confirm:
            await accounts.confirm_email(connection, user_id)
        if wanted.phone_confirm:
            await accounts.confirm_phone(connection, user_id)
        if wanted.bans:
            await queries.change(connection, "ban", id=user_id, ban_s=wanted.ban_s)

    async def _change_addresses(
        self, connection: Connection, user_id: UUID, wanted: AdminUser
    ) -> None:
        for provider, address, is_proved in (
            ("email", wanted.email, wanted.email_confirm),
            ("phone", wanted.phone, wanted.phone_confirm),
        ):
            if not address:
                continue
            data = {"sub": str(user_id), provider: address, f"{provider}_verified": is_proved}
            await accounts.put_identity(connection, user_id, provider, data)
            await accounts.queries.change(
                connection, f"set_{provider}", id=user_id, **{provider: address}
            )
            if is_proved:
                await accounts.become_permanent(connection, user_id)


def _traits(user: Row) -> dict[str, Any]:
    return {
        "user_id": str(user["id"]),
        "user_email": user["email"] or "",
        "user_phone": user["phone"] or "",
    }
