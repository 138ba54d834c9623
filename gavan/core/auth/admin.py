"""What an administrator, the service role, can do with users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg

from gavan.core.auth.errors import AuthError, database_error, validation_failed
from gavan.core.auth.guard.strength import check_length
from gavan.core.auth.model import Row, user_json
from gavan.core.auth.passwords import Passwords
from gavan.core.auth.show import show_user
from gavan.core.auth.store import Connection, Store, change, many, one
from gavan.core.auth.users import check_email


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which users to list; ``page`` counts from 1."""

    page: int
    per_page: int
    ascending: bool
    filter: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminUser:
    """A user to make or to change; None leaves a thing as it is.

    ``ban_s`` is a length in seconds when ``bans`` is true, and None then ends a ban.
    """

    id: UUID | None
    role: str | None
    email: str | None
    phone: str | None
    password: str | None
    password_hash: str | None
    email_confirm: bool
    phone_confirm: bool
    user_metadata: dict[str, Any]
    app_metadata: dict[str, Any]
    bans: bool
    ban_s: float | None


class Admin:
    """The user table as an administrator sees it."""

    def __init__(self, store: Store, passwords: Passwords, audience: str) -> None:
        self._store = store
        self._passwords = passwords
        self._audience = audience

    async def list(self, page: Page) -> tuple[list[dict[str, Any]], int]:
        """Return the users of a page and how many there are in all."""
        pattern = f"%{page.filter}%" if page.filter else None
        async with self._store.transaction() as connection:
            users = await many(
                connection,
                "list_users",
                pattern=pattern,
                ascending=page.ascending,
                limit=page.per_page,
                offset=(page.page - 1) * page.per_page,
            )
            counted = await one(connection, "count_users", pattern=pattern)
            identities = await many(
                connection, "identities_of_many", user_ids=[user["id"] for user in users]
            )
        by_user: dict[UUID, list[Row]] = {}
        for identity in identities:
            by_user.setdefault(identity["user_id"], []).append(identity)
        total = counted["total"] if counted else 0
        return [user_json(user, by_user.get(user["id"], [])) for user in users], total

    async def create(self, wanted: AdminUser) -> dict[str, Any]:
        """Make a user; the password may be weak and the metadata stays as it was sent."""
        if not wanted.email and not wanted.phone:
            raise validation_failed("Cannot create a user without either an email or phone")
        user_id = wanted.id or uuid4()
        hashed = await self._hash(wanted)
        providers = [name for name in ("email", "phone") if getattr(wanted, name)]
        try:
            async with self._store.transaction() as connection:
                await change(
                    connection,
                    "admin_insert_user",
                    **_columns(wanted) | {"role": wanted.role or "authenticated"},
                    id=user_id,
                    aud=self._audience,
                    encrypted_password=hashed or "",
                    app_meta={"provider": providers[0], "providers": providers}
                    | wanted.app_metadata,
                    user_meta=wanted.user_metadata,
                )
                for provider in providers:
                    data = {"sub": str(user_id), provider: getattr(wanted, provider)}
                    await change(
                        connection,
                        "admin_insert_identity",
                        user_id=user_id,
                        provider=provider,
                        data=data | {"email_verified": False, "phone_verified": False},
                    )
                return await self._show(connection, user_id)
        except psycopg.Error as error:
            raise _refusal(error, "creating new user") from error

    async def show(self, user_id: UUID) -> dict[str, Any]:
        """Return a user; raise AuthError 404 when there is none."""
        async with self._store.transaction() as connection:
            return await self._show(connection, user_id)

    async def update(self, user_id: UUID, wanted: AdminUser) -> dict[str, Any]:
        """Change a user; here a password has to be strong enough."""
        if wanted.password is not None:
            await self._passwords.check(wanted.password)
        hashed = await self._hash(wanted)
        user, app = _split(wanted.user_metadata), _split(wanted.app_metadata)
        try:
            async with self._store.transaction() as connection:
                changed = await change(
                    connection,
                    "admin_update_user",
                    **_columns(wanted),
                    id=user_id,
                    bans=wanted.bans,
                    encrypted_password=hashed,
                    user_meta=user[0],
                    user_meta_removed=user[1],
                    app_meta=app[0],
                    app_meta_removed=app[1],
                )
                if changed and wanted.email:
                    await change(
                        connection, "update_identity_email", id=user_id, email=wanted.email
                    )
                return await self._show(connection, user_id)
        except psycopg.Error as error:
            raise _refusal(error, "updating user") from error

    async def delete(self, user_id: UUID, *, keeps_row: bool) -> None:
        """Delete a user, or with ``keeps_row`` only everything that names a person."""
        try:
            async with self._store.transaction() as connection:
                query = "soft_delete_user" if keeps_row else "delete_user"
                if not await change(connection, query, id=user_id):
                    raise user_not_found()
                if keeps_row:
                    await change(connection, "obfuscate_identities", user_id=user_id)
                    await change(connection, "delete_sessions_of", user_id=user_id)
                    await change(connection, "delete_one_time_tokens", user_id=user_id)
        except psycopg.Error as error:
            raise database_error("deleting user") from error

    async def _hash(self, wanted: AdminUser) -> str | None:
        if wanted.password is not None and wanted.password_hash is not None:
            raise validation_failed("Only a password or a password hash should be provided")
        if wanted.password is None:
            return wanted.password_hash
        check_length(wanted.password)
        return await self._passwords.hash(wanted.password)

    async def _show(self, connection: Connection, user_id: UUID) -> dict[str, Any]:
        user = await one(connection, "user_by_id", id=user_id)
        if user is None:
            raise user_not_found()
        return await show_user(connection, user)


def user_not_found() -> AuthError:
    """Return the answer for a user id that nobody has."""
    return AuthError(404, "user_not_found", "User not found")


def _columns(wanted: AdminUser) -> dict[str, Any]:
    if wanted.email:
        check_email(wanted.email)
    return {
        "role": wanted.role or None,
        "email": wanted.email,
        "phone": wanted.phone,
        "email_confirm": wanted.email_confirm,
        "phone_confirm": wanted.phone_confirm,
        "ban_s": wanted.ban_s,
    }


def _split(metadata: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    kept = {name: value for name, value in metadata.items() if value is not None}
    return kept, [name for name in metadata if name not in kept]


def _refusal(error: psycopg.Error, action: str) -> AuthError:
    names = (error.diag.schema_name, error.diag.table_name)
    if not isinstance(error, psycopg.errors.UniqueViolation) or names != ("auth", "users"):
        return database_error(action)
    constraint = error.diag.constraint_name or ""
    if "phone" in constraint:
        return AuthError(
            422, "phone_exists", "A user with this phone number has already been registered"
        )
    if "email" in constraint:
        return AuthError(
            422, "email_exists", "A user with this email address has already been registered"
        )
    return validation_failed("a user with this id exists already")
