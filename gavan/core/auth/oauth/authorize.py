"""Send somebody to a provider, and remember what they came for until they are back."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID, uuid4

from gavan.core.auth.errors import AuthError, validation_failed
from gavan.core.auth.flows.flow_state import Challenge, NewFlow, begin_flow
from gavan.core.auth.flows.room import Asked, Room
from gavan.core.auth.oauth.provider import RESERVED, Provider
from gavan.core.auth.oauth.queries import queries
from gavan.core.auth.oauth.registry import Registry
from gavan.core.auth.oauth.web import WebError
from gavan.core.auth.store import Connection

OURS = frozenset({"provider", "scopes", "redirect_to", "skip_http_redirect", "invite_token"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants to sign in with; ``others`` are all parameters of the request."""

    provider: str
    scopes: str
    challenge: Challenge
    invite_token: str
    others: Mapping[str, str]


class Authorizations:
    """Journeys to providers."""

    def __init__(self, room: Room, registry: Registry) -> None:
        self._room = room
        self._registry = registry

    async def begin(self, wish: Wish, asked: Asked, *, target_id: UUID | None = None) -> str:
        """Return the address at the provider.

        Args:
            target_id: the account that the identity is to be linked to, None for a sign-in.

        Raises:
            AuthError: 400 for a provider that cannot be used or half a PKCE pair, 404 for an
                unknown invitation.
        """
        try:
            provider = await self._registry.find(wish.provider, wish.scopes)
        except WebError as error:
            raise validation_failed(f"Unsupported provider: {error}") from error
        async with self._room.store.transaction() as connection:
            await self._check_invite(connection, wish.invite_token)
            wish.challenge.check()
            verifier, client_state = await self._client_state(connection, provider)
            flow_id = await begin_flow(
                connection,
                NewFlow(
                    provider_type=provider.name,
                    authentication_method="oauth",
                    challenge=wish.challenge,
                    invite_token=wish.invite_token or None,
                    referrer=asked.redirect_to,
                    oauth_client_state_id=client_state,
                    linking_target_id=target_id,
                    email_optional=provider.email_optional,
                ),
            )
        return provider.address(str(flow_id), verifier, passed_on(wish.others))

    async def _check_invite(self, connection: Connection, token: str) -> None:
        if token and not await queries.one(connection, "user_by_confirmation_token", token=token):
            raise AuthError(404, "user_not_found", "User identified by token not found")

    async def _client_state(
        self, connection: Connection, provider: Provider
    ) -> tuple[str, UUID | None]:
        if not provider.uses_pkce:
            return "", None
        state_id, verifier = uuid4(), secrets.token_urlsafe(48)
        await queries.change(
            connection,
            "insert_client_state",
            id=state_id,
            provider=provider.name,
            verifier=verifier,
        )
        return verifier, state_id


def passed_on(others: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that go on to the provider: none that is ours or the protocol's."""
    kept = {}
    for name, text in others.items():
        lowered = name.lower()
        if lowered == "nonce" or lowered not in RESERVED | OURS:
            kept[name] = text
    return kept
