"""The ``password`` and ``pkce`` grants.

An unknown address and a wrong password get one answer after one and the same hash (supabase/auth:
internal/api/token.go).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gavan.core.auth.config.auth import AuthConfig
from gavan.core.auth.errors import AuthError, invalid_credentials, validation_failed
from gavan.core.auth.flows import accounts
from gavan.core.auth.flows.addresses import plain_phone
from gavan.core.auth.flows.flow_state import redeem
from gavan.core.auth.flows.room import Asked, Room
from gavan.core.auth.model import Row
from gavan.core.auth.store import Connection, change


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """The input of the password grant; absent texts are empty."""

    email: str = ""
    phone: str = ""
    password: str = ""

    @property
    def provider(self) -> str:
        """``email`` or ``phone``."""
        return "email" if self.email else "phone"


class SignIns:
    """Grants that begin a session."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def by_password(self, login: Login, asked: Asked) -> dict[str, Any]:
        """Return a session for a right password, with ``weak_password`` when it is weak by now.

        Raises:
            AuthError: the same, after the same time, for no user, no password and a wrong one.
        """
        room = self._room
        _check_login(room.config, login)
        async with room.store.transaction() as connection:
            user = await self._find(connection, login, asked)
        stored = user["encrypted_password"] if user else None
        if user is not None and stored and user["is_banned"]:
            raise AuthError(400, "user_banned", "User is banned")
        is_right = await room.passwords.verify(login.password, stored)
        if user is None or not stored:
            raise invalid_credentials()
        await self._ask_hook(user, is_right=is_right)
        if not is_right:
            raise invalid_credentials()
        if user[f"{login.provider}_confirmed_at"] is None:
            raise AuthError(
                400,
                f"{login.provider}_not_confirmed",
                f"{login.provider.capitalize()} not confirmed",
            )
        weakness = await room.passwords.weakness(login.password)
        async with room.store.transaction() as connection:
            await room.audit.record(connection, "login", user, {"provider": login.provider})
            body = await room.sessions.begin(connection, user["id"], "password", asked.client)
        if weakness is not None:
            body["weak_password"] = {
                "message": weakness.message,
                "reasons": list(weakness.reasons),
            }
        return body

    async def by_code(self, auth_code: str, verifier: str, asked: Asked) -> dict[str, Any]:
        """Return the session that a PKCE code stands for; the code is used up.

        Raises:
            AuthError: see ``redeem``; 400 when a field is missing.
        """
        if not auth_code or not verifier:
            raise validation_failed(
                "invalid request: both auth code and code verifier should be non-empty"
            )
        room = self._room
        async with room.store.transaction() as connection:
            flow = await redeem(
                connection,
                auth_code=auth_code,
                verifier=verifier,
                lifetime_s=room.config.external.flow_state_lifetime_s,
            )
            user = await accounts.lock(connection, flow["user_id"])
            if user["is_banned"]:
                raise AuthError(400, "user_banned", "User is banned")
            traits = {"provider_type": flow["provider_type"]}
            await room.audit.record(connection, "login", user, traits)
            body = await room.sessions.begin(
                connection, user["id"], flow["authentication_method"], asked.client
            )
        body["provider_token"] = flow["provider_access_token"] or None
        body["provider_refresh_token"] = flow["provider_refresh_token"] or None
        return {name: value for name, value in body.items() if value is not None}

    async def _find(self, connection: Connection, login: Login, asked: Asked) -> Row | None:
        if login.email:
            return await accounts.find_by_email(connection, login.email.lower(), asked.audience)
        return await accounts.find_by_phone(connection, plain_phone(login.phone), asked.audience)

    async def _ask_hook(self, user: Row, *, is_right: bool) -> None:
        room = self._room
        rejected = await room.hooks.password_attempt(user["id"], valid=is_right)
        if rejected is None:
            return
        if rejected.logs_out:
            async with room.store.transaction() as connection:
                await change(connection, "delete_sessions_of", user_id=user["id"])
        raise AuthError(400, "invalid_credentials", rejected.message)


def _check_login(config: AuthConfig, login: Login) -> None:
    if login.email and login.phone:
        raise validation_failed(
            "Only an email address or phone number should be provided on login."
        )
    if not login.email and not login.phone:
        raise validation_failed("missing email or phone")
    if login.email and not config.external.email_enabled:
        raise AuthError(422, "email_provider_disabled", "Email logins are disabled")
    if login.phone and not config.external.phone_enabled:
        raise AuthError(422, "phone_provider_disabled", "Phone logins are disabled")
