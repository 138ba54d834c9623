"""Sign in by a passkey, and keep one's passkeys (supabase/auth:internal/api/passkey_*.go)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

from gavan.core.auth.errors import AuthError, database_error, validation_failed
from gavan.core.auth.flows import accounts
from gavan.core.auth.flows.room import Room
from gavan.core.auth.model import Caller, Client, Row, rfc3339
from gavan.core.auth.passkeys.queries import QUERIES
from gavan.core.auth.relying_site import relying_site
from gavan.core.auth.store import Connection, one

NAME = "Passkey"
NAME_LENGTH = 120


class Passkeys:
    """What can be done with passkeys; every method is one or two whole transactions."""

    def __init__(self, room: Room) -> None:
        self._config = room.config
        self._site = relying_site(room.config)
        self._store = room.store
        self._sessions = room.sessions
        self._audit = room.audit

    async def ask_for_credential(self, caller: Caller) -> dict[str, Any]:
        """Begin a registration and return what the browser is to be asked.

        Raises:
            AuthError: 403 ``insufficient_aal`` when the user has a second factor that the session
                did not prove, 422 ``too_many_passkeys``.
        """
        user = caller.user
        async with self._store.transaction() as connection:
            await self._check_may_manage(connection, caller)
            known = await QUERIES.many(connection, "passkeys_of", user_id=user["id"])
            self._check_number(known)
            question = _ceremony().ask_for_credential(self._site, user, known)
            return await self._remember(connection, "registration", user["id"], question)

    async def register(
        self, caller: Caller, challenge_id: UUID, credential: dict[str, Any]
    ) -> dict[str, Any]:
        """Keep the passkey that an authenticator made and return it.

        Raises:
            AuthError: 400 for a challenge that is used or expired and for an answer that does not
                hold, 422 for a credential that is registered already and too many passkeys.
        """
        user_id = caller.user["id"]
        async with self._store.transaction() as connection:
            await self._check_may_manage(connection, caller)
        asked = await self._take("registration", challenge_id, user_id)
        made = _ceremony().check_credential(self._site, credential, asked["challenge"])
        made["transports"] = Jsonb(made["transports"])
        try:
            async with self._store.transaction() as connection:
                # One registration at a time: the passkeys are counted first.
                await accounts.lock(connection, user_id)
                known = await QUERIES.many(connection, "passkeys_of", user_id=user_id)
                self._check_number(known)
                kept = await QUERIES.one(
                    connection, "insert_passkey", user_id=user_id, friendly_name=NAME, **made
                )
                if kept is None:
                    raise database_error("creating passkey")
                traits = {"passkey_id": str(kept["id"])}
                await self._audit.record(connection, "passkey_created", caller.user, traits)
        except psycopg.errors.UniqueViolation as error:
            raise AuthError(
                422, "webauthn_credential_exists", "This credential is already registered"
            ) from error
        return _shown(kept)

    async def ask_for_signature(self) -> dict[str, Any]:
        """Begin a sign-in of somebody who has not said who they are."""
        async with self._store.transaction() as connection:
            question = _ceremony().ask_for_signature(self._site)
            return await self._remember(connection, "authentication", None, question)

    async def sign_in(
        self, challenge_id: UUID, credential: dict[str, Any], client: Client
    ) -> dict[str, Any]:
        """Return a session for a right signature.

        Raises:
            AuthError: 400 for a challenge that is used or expired and for a signature that does
                not hold, 403 for a user who is banned or not confirmed.
        """
        asked = await self._take("authentication", challenge_id, None)
        claimed = _ceremony().read_assertion(credential)
        async with self._store.transaction() as connection:
            passkey = await QUERIES.one(
                connection, "passkey_by_credential", credential_id=claimed.credential_id
            )
            if passkey is None or passkey["user_id"] != claimed.user_id:
                raise AuthError(
                    400, "webauthn_verification_failed", "Credential verification failed"
                )
            count = _ceremony().check_assertion(self._site, credential, asked["challenge"], passkey)
            user = await one(connection, "user_by_id", id=claimed.user_id)
            user = _admitted(user)
            await QUERIES.change(connection, "use_passkey", id=passkey["id"], sign_count=count)
            traits = {"passkey_id": str(passkey["id"])}
            await self._audit.record(connection, "login", user, traits)
            return await self._sessions.begin(connection, claimed.user_id, "passkey", client)

    async def of_user(self, user_id: UUID) -> list[dict[str, Any]]:
        """Return the passkeys of a user."""
        async with self._store.transaction() as connection:
            rows = await QUERIES.many(connection, "passkeys_of", user_id=user_id)
        return [_shown(row) for row in rows]

    async def rename(self, caller: Caller, passkey_id: UUID, name: str) -> dict[str, Any]:
        """Give a passkey another name; raise AuthError 404 when it is not the user's."""
        if not name:
            raise validation_failed("friendly_name is required")
        if len(name) > NAME_LENGTH:
            raise validation_failed("friendly_name must be 120 characters or less")
        async with self._store.transaction() as connection:
            renamed = await QUERIES.one(
                connection,
                "rename_passkey",
                id=passkey_id,
                user_id=caller.user["id"],
                friendly_name=name,
            )
            if renamed is None:
                raise not_found()
            traits = {"passkey_id": str(passkey_id)}
            await self._audit.record(connection, "passkey_updated", caller.user, traits)
        return _shown(renamed)

    async def remove(self, caller: Caller, passkey_id: UUID) -> None:
        """Forget a passkey of the caller, who must have proved a second factor if there is one."""
        async with self._store.transaction() as connection:
            await self._check_may_manage(connection, caller)
        await self.delete(caller.user, passkey_id, user_id=caller.user["id"])

    async def delete(self, actor: Row, passkey_id: UUID, *, user_id: UUID) -> None:
        """Forget a passkey of any user; ``actor`` is whom the audit log names."""
        async with self._store.transaction() as connection:
            if not await QUERIES.change(
                connection, "delete_passkey", id=passkey_id, user_id=user_id
            ):
                raise not_found()
            traits = {"user_id": str(user_id), "passkey_id": str(passkey_id)}
            await self._audit.record(connection, "passkey_deleted", actor, traits)

    async def _check_may_manage(self, connection: Connection, caller: Caller) -> None:
        if caller.user["is_sso_user"]:
            raise validation_failed("SSO users cannot register passkeys", status=422)
        factor = await one(connection, "has_factor", user_id=caller.user["id"])
        if factor and factor["found"] and caller.aal != "aal2":
            raise AuthError(
                403,
                "insufficient_aal",
                "AAL2 session is required to manage passkeys when MFA is enabled",
            )

    def _check_number(self, known: Sequence[Row]) -> None:
        if len(known) >= self._config.mfa.most_passkeys:
            raise AuthError(422, "too_many_passkeys", "Maximum number of passkeys reached")

    async def _remember(
        self, connection: Connection, kind: str, user_id: UUID | None, question: Any
    ) -> dict[str, Any]:
        challenge_id = uuid4()
        lifetime_s = self._config.mfa.webauthn_challenge_lifetime_s
        await QUERIES.change(
            connection,
            "insert_challenge",
            id=challenge_id,
            user_id=user_id,
            kind=kind,
            session_data={"challenge": question.challenge, "rpId": self._site.id},
            lifetime_s=lifetime_s,
        )
        return {
            "challenge_id": str(challenge_id),
            "options": question.options,
            "expires_at": int(time.time() + lifetime_s),
        }

    async def _take(self, kind: str, challenge_id: UUID, user_id: UUID | None) -> Any:
        async with self._store.transaction() as connection:
            taken = await QUERIES.one(
                connection, "take_challenge", id=challenge_id, kind=kind, user_id=user_id
            )
        if taken is None:
            raise AuthError(
                400, "webauthn_challenge_not_found", "Challenge not found or already used"
            )
        if taken["is_expired"]:
            raise AuthError(400, "webauthn_challenge_expired", "Challenge has expired")
        return taken["session_data"]


def not_found() -> AuthError:
    """Return the answer for a passkey of nobody or somebody else."""
    return validation_failed("Passkey not found", status=404)


def _ceremony() -> ModuleType:
    from gavan.core.auth.passkeys import ceremony  # noqa: PLC0415 - 7 MB, seldom needed

    return ceremony


def _admitted(user: Row | None) -> Row:
    if user is None:
        raise AuthError(400, "webauthn_verification_failed", "Credential verification failed")
    if user["email"] and user["email_confirmed_at"] is None:
        raise AuthError(403, "email_not_confirmed", "Email not confirmed")
    if user["phone"] and user["phone_confirmed_at"] is None:
        raise AuthError(403, "phone_not_confirmed", "Phone not confirmed")
    if user["is_banned"]:
        raise AuthError(403, "user_banned", "User is banned")
    return user


def _shown(row: Row) -> dict[str, Any]:
    body = {"id": str(row["id"])}
    if row["friendly_name"]:
        body["friendly_name"] = row["friendly_name"]
    body["created_at"] = rfc3339(row["created_at"])
    if row["last_used_at"] is not None:
        body["last_used_at"] = rfc3339(row["last_used_at"])
    return body
