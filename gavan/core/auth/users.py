"""Sign up, look up and change users; an address counts as confirmed when it is given."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg

from gavan.core.auth.config.auth import AuthConfig
from gavan.core.auth.errors import AuthError, database_error, validation_failed
from gavan.core.auth.model import Caller, Client
from gavan.core.auth.passwords import Passwords
from gavan.core.auth.sessions import Sessions
from gavan.core.auth.show import show_user
from gavan.core.auth.store import Connection, Store, change, one

EMAIL_LENGTH = 255
_EMAIL = re.compile(
    r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
    r"(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+",
    re.IGNORECASE | re.ASCII,  # without ASCII, the Kelvin sign would be a k
)
_CHALLENGE = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signup:
    """The input of a sign-up; absent texts are empty."""

    email: str
    phone: str
    password: str
    data: dict[str, Any]
    code_challenge: str
    code_challenge_method: str
    audience: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChange:
    """The input of PUT /user; what is not to be changed is empty or None."""

    email: str
    phone: str
    password: str | None
    data: dict[str, Any] | None
    app_metadata: dict[str, Any] | None


class Users:
    """What can be done with users."""

    def __init__(
        self, config: AuthConfig, store: Store, passwords: Passwords, sessions: Sessions
    ) -> None:
        self._config = config
        self._store = store
        self._passwords = passwords
        self._sessions = sessions

    async def sign_up(self, signup: Signup, client: Client) -> dict[str, Any]:
        """Return the session of a new user, or of one who had not confirmed yet.

        The order of the checks is part of the contract. The user, the triggers of the stack on
        auth.users, the identity and the session are one transaction.
        """
        await self._check_signup(signup)
        hashed = await self._passwords.hash(signup.password)
        try:
            async with self._store.transaction() as connection:
                user_id = await self._insert_or_find(connection, signup, hashed)
                await change(connection, "confirm_email", id=user_id)
                await change(connection, "delete_one_time_tokens", user_id=user_id)
                return await self._sessions.begin(connection, user_id, "password", client)
        except psycopg.errors.UniqueViolation as error:
            if _is_about_users(error):
                raise _already_registered() from error
            raise database_error("saving new user") from error
        except psycopg.Error as error:
            raise database_error("saving new user") from error

    async def _check_signup(self, signup: Signup) -> None:
        if not signup.email and not signup.phone:
            raise AuthError(422, "anonymous_provider_disabled", "Anonymous sign-ins are disabled")
        if not signup.password:
            raise validation_failed("Signup requires a valid password")
        if signup.email and signup.phone:
            raise validation_failed(
                "Only an email address or phone number should be provided on signup."
            )
        await self._passwords.check(signup.password)
        _check_challenge(signup)
        if signup.phone:
            if signup.code_challenge:
                raise validation_failed("PKCE not supported for phone signups")
            raise AuthError(400, "phone_provider_disabled", "Phone signups are disabled")
        check_email(signup.email)

    async def _insert_or_find(self, connection: Connection, signup: Signup, hashed: str) -> UUID:
        email = signup.email.lower()
        known = await one(connection, "user_by_email", email=email, aud=signup.audience)
        if known is not None:
            if known["email_confirmed_at"] is not None:
                raise _already_registered()
            existing: UUID = known["id"]
            return existing
        user_id = uuid4()
        identity = {
            **signup.data,
            "sub": str(user_id),
            "email": email,
            "email_verified": False,
            "phone_verified": False,
        }
        await change(
            connection,
            "insert_user",
            id=user_id,
            aud=signup.audience,
            email=email,
            encrypted_password=hashed,
            app_meta={"provider": "email", "providers": ["email"]},
            user_meta=identity,
        )
        await change(connection, "insert_identity", user_id=user_id, data=identity)
        return user_id

    async def show(self, user_id: UUID) -> dict[str, Any]:
        """Return the user object."""
        async with self._store.transaction() as connection:
            return await self._show(connection, user_id)

    async def update(self, caller: Caller, wanted: UserChange) -> dict[str, Any]:
        """Change the caller's own password, address or metadata and return the user object."""
        if wanted.app_metadata is not None and not caller.is_admin:
            raise AuthError(403, "not_admin", "Updating app_metadata requires admin privileges")
        if wanted.phone and wanted.phone != caller.user["phone"]:
            raise AuthError(400, "phone_provider_disabled", "Phone logins are disabled")
        hashed = await self._new_password(caller, wanted.password)
        email = wanted.email.lower()
        if email:
            check_email(email)
        user_id = caller.user["id"]
        try:
            async with self._store.transaction() as connection:
                if email and email != caller.user["email"]:
                    await change(connection, "update_email", id=user_id, email=email)
                    await change(connection, "update_identity_email", id=user_id, email=email)
                    await change(connection, "delete_one_time_tokens", user_id=user_id)
                if wanted.data is not None:
                    await self._merge(connection, user_id, wanted.data)
                if hashed is not None:
                    await self._set_password(connection, caller, hashed)
                return await self._show(connection, user_id)
        except psycopg.errors.UniqueViolation as error:
            if not _is_about_users(error):
                raise database_error("updating user") from error
            raise AuthError(
                422, "email_exists", "A user with this email address has already been registered"
            ) from error
        except psycopg.Error as error:
            raise database_error("updating user") from error

    async def _new_password(self, caller: Caller, password: str | None) -> str | None:
        if password is None:
            return None
        await self._passwords.check(password)
        if await self._passwords.verify(password, caller.user["encrypted_password"]):
            raise AuthError(
                422, "same_password", "New password should be different from the old password."
            )
        return await self._passwords.hash(password)

    async def _set_password(self, connection: Connection, caller: Caller, hashed: str) -> None:
        user_id = caller.user["id"]
        await change(connection, "update_password", id=user_id, encrypted_password=hashed)
        await change(connection, "delete_one_time_tokens", user_id=user_id)
        await change(connection, "delete_other_sessions", user_id=user_id, id=caller.session_id)

    async def _merge(self, connection: Connection, user_id: UUID, data: dict[str, Any]) -> None:
        kept = {name: value for name, value in data.items() if value is not None}
        removed = [name for name, value in data.items() if value is None]
        await change(connection, "merge_user_meta", id=user_id, set=kept, removed=removed)

    async def _show(self, connection: Connection, user_id: UUID) -> dict[str, Any]:
        user = await one(connection, "user_by_id", id=user_id)
        if user is None:
            raise AuthError(403, "user_not_found", "User from sub claim in JWT does not exist")
        return await show_user(connection, user)


def _is_about_users(error: psycopg.Error) -> bool:
    # A trigger of the stack may violate a key of its own table.
    return (error.diag.schema_name, error.diag.table_name) == ("auth", "users")


def _already_registered() -> AuthError:
    return AuthError(422, "user_already_exists", "User already registered")


def check_email(email: str) -> None:
    """Raise AuthError for a text that is no e-mail address."""
    if len(email) > EMAIL_LENGTH or not _EMAIL.fullmatch(email):
        raise validation_failed("Unable to validate email address: invalid format")


def _check_challenge(signup: Signup) -> None:
    challenge, method = signup.code_challenge, signup.code_challenge_method
    if bool(challenge) != bool(method):
        raise validation_failed("PKCE flow requires code_challenge_method and code_challenge")
    if challenge and method.lower() not in {"s256", "plain"}:
        raise validation_failed("code challenge method must be either s256 or plain")
    if challenge and not _CHALLENGE.fullmatch(challenge):
        raise validation_failed("code challenge has to be between 43 and 128 characters")
