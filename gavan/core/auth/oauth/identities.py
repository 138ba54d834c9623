"""Take a way to sign in away from the caller's own account."""

from __future__ import annotations

from uuid import UUID

import psycopg

from gavan.core.auth.errors import AuthError
from gavan.core.auth.flows import accounts
from gavan.core.auth.flows.notices import Notice
from gavan.core.auth.flows.room import Asked, Room
from gavan.core.auth.model import Row
from gavan.core.auth.oauth.addresses import settle_email
from gavan.core.auth.oauth.queries import queries
from gavan.core.auth.store import Connection, many


class Identities:
    """What the owner of identities can do with them."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def unlink(self, user: Row, identity_id: UUID, asked: Asked) -> None:
        """Delete an identity; the account keeps an address that another one has.

        Raises:
            AuthError: 422 for the only one, one of somebody else, and for an address that only
                another account has.
        """
        try:
            async with self._room.store.transaction() as connection:
                await self._unlink(connection, user["id"], identity_id, asked)
        except psycopg.errors.UniqueViolation as error:
            raise _conflict() from error

    async def _unlink(
        self, connection: Connection, user_id: UUID, identity_id: UUID, asked: Asked
    ) -> None:
        room = self._room
        # Of two requests that would leave none, the second one sees what the first one left.
        user = await accounts.lock(connection, user_id)
        identities = await many(connection, "identities_of", user_id=user_id)
        if len(identities) <= 1:
            raise AuthError(
                422,
                "single_identity_not_deletable",
                "User must have at least 1 identity after unlinking",
            )
        gone = next((known for known in identities if known["id"] == identity_id), None)
        if gone is None:
            raise AuthError(422, "identity_not_found", "Identity doesn't exist")
        traits = {
            "identity_id": str(identity_id),
            "provider": gone["provider"],
            "provider_id": gone["provider_id"],
        }
        await room.audit.record(connection, "identity_unlinked", user, traits, ip=asked.client.ip)
        await queries.change(connection, "delete_identity", id=identity_id, user_id=user_id)
        await self._settle(connection, user, gone["provider"])
        await accounts.refresh_providers(connection, user_id)
        await room.notices.send(
            connection,
            # To the address before: the next one may be another person's idea.
            Notice(
                kind="identity_unlinked",
                user_id=user_id,
                to=user["email"] or "",
                provider=gone["provider"],
            ),
        )

    async def _settle(self, connection: Connection, user: Row, provider: str) -> None:
        if provider == "phone":
            await queries.change(connection, "clear_phone", id=user["id"])
            return
        config = self._room.config
        aud = user["aud"] or config.tokens.audience
        if not await settle_email(
            connection, user["id"], aud=aud, autoconfirm=config.mail.autoconfirm
        ):
            raise _conflict()


def _conflict() -> AuthError:
    return AuthError(
        422,
        "email_conflict_identity_not_deletable",
        "Unable to unlink identity due to email conflict",
    )
