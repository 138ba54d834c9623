"""Somebody is back from a provider: redeem the code, let them in, lead them on.

The ``state`` they bring is the id of a row that only this service made, lives for minutes and
serves once (supabase/auth:internal/api/external.go, external_oauth.go).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from gavan.core.auth.errors import AuthError, OAuthError
from gavan.core.auth.flows.accounts import saving
from gavan.core.auth.flows.flow_state import bind_flow, delete_flow, lock_flow
from gavan.core.auth.flows.room import Asked, Room
from gavan.core.auth.model import Row
from gavan.core.auth.oauth.answers import error_fields, with_query, with_refusal, with_tokens
from gavan.core.auth.oauth.entry import Arrival, Entered, Entries, settled, tell_of
from gavan.core.auth.oauth.oidc import IdTokenError
from gavan.core.auth.oauth.provider import Provider, Tokens
from gavan.core.auth.oauth.queries import queries
from gavan.core.auth.oauth.registry import Registry
from gavan.core.auth.oauth.web import WebError
from gavan.core.auth.store import Connection

FOUND, SEE_OTHER = 302, 303
SHOWN_OF_CODE = 4

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LeadOn:
    """Where the browser goes next."""

    status: int
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Visit:
    """Somebody who is back, with the tokens that the provider gave for them."""

    flow: Row
    arrival: Arrival
    tokens: Tokens
    asked: Asked
    target: str


class Callbacks:
    """Returns from providers."""

    def __init__(self, room: Room, registry: Registry, entries: Entries) -> None:
        self._room = room
        self._registry = registry
        self._entries = entries

    async def arrive(self, fields: Mapping[str, str], asked: Asked) -> LeadOn:
        """Return where somebody goes who brings these parameters; nothing is raised.

        ``asked.redirect_to`` does not count: the flow says where to.
        """
        config = self._room.config
        try:
            flow = await self._flow(fields.get("state", ""))
        except AuthError as error:
            site = config.urls.site_url
            return LeadOn(SEE_OTHER, with_query(site, error_fields(error)))
        target = config.external.redirect_url or flow["referrer"] or config.urls.site_url
        try:
            return LeadOn(FOUND, await self._enter(flow, fields, asked, target))
        except AuthError as error:
            if error.status >= 500:
                logger.exception("a callback failed", extra={"event": "oauth.failed"})
            return LeadOn(FOUND, with_refusal(target, error))

    async def _flow(self, state: str) -> Row:
        if not state:
            raise AuthError(400, "bad_oauth_callback", "OAuth state parameter missing")
        try:
            flow_id = UUID(state)
        except ValueError as error:
            raise AuthError(400, "bad_oauth_state", "OAuth state parameter is invalid") from error
        lifetime_s = self._room.config.external.flow_state_lifetime_s
        async with self._room.store.transaction() as connection:
            flow = await queries.one(connection, "flow", id=flow_id, lifetime_s=lifetime_s)
        if flow is None or flow["authentication_method"] != "oauth":
            raise AuthError(400, "bad_oauth_state", "OAuth state not found or expired")
        if flow["is_expired"]:
            raise AuthError(400, "bad_oauth_state", "OAuth state has expired")
        if flow["user_id"] is not None:
            raise _already_used()
        return flow

    async def _enter(self, flow: Row, fields: Mapping[str, str], asked: Asked, target: str) -> str:
        if fields.get("error"):
            raise OAuthError(fields["error"], fields.get("error_description", ""))
        code = fields.get("code", "")
        if not code:
            raise AuthError(
                400,
                "bad_oauth_callback",
                "OAuth callback with missing authorization code missing",
            )
        provider = await self._provider(flow)
        tokens = await self._redeem(flow, provider, code)
        arrival = await self._arrival(flow, provider, tokens)
        asked = replace(asked, redirect_to=flow["referrer"] or asked.redirect_to)
        if flow["linking_target_id"] is None and not flow["invite_token"]:
            await self._entries.ask_hook(arrival, asked)
        visit = _Visit(flow=flow, arrival=arrival, tokens=tokens, asked=asked, target=target)
        with saving("saving new user"):
            address, entered = await settled(
                self._room.store, lambda connection: self._inside(connection, visit)
            )
        if entered.refusal is not None:
            raise entered.refusal
        if entered.is_new:
            await tell_of(self._room, entered.user_id)
        return address

    async def _inside(self, connection: Connection, visit: _Visit) -> tuple[str, Entered]:
        flow, tokens = visit.flow, visit.tokens
        held = await lock_flow(connection, flow["id"])
        if held is None or held["user_id"] is not None:
            raise _already_used()
        entered = await self._admit(connection, visit)
        if entered.refusal is not None:
            return "", entered
        if flow["code_challenge"]:
            code = await bind_flow(
                connection,
                flow["id"],
                entered.user_id,
                provider_access_token=tokens.access,
                provider_refresh_token=tokens.refresh,
            )
            return with_query(visit.target, {"code": code}), entered
        session = await self._room.sessions.begin(
            connection, entered.user_id, "oauth", visit.asked.client
        )
        await delete_flow(connection, flow["id"])
        return with_tokens(visit.target, session, tokens.access, tokens.refresh), entered

    async def _admit(self, connection: Connection, visit: _Visit) -> Entered:
        flow, arrival, asked = visit.flow, visit.arrival, visit.asked
        if flow["linking_target_id"] is not None:
            return await self._entries.link(connection, arrival, flow["linking_target_id"], asked)
        if flow["invite_token"]:
            return await self._entries.accept_invite(
                connection, arrival, flow["invite_token"], asked
            )
        return await self._entries.sign_in(connection, arrival, asked)

    async def _provider(self, flow: Row) -> Provider:
        try:
            return await self._registry.find(flow["provider_type"])
        except WebError as error:
            raise AuthError(
                400, "oauth_provider_not_supported", f"Unsupported provider: {error}"
            ) from error

    async def _redeem(self, flow: Row, provider: Provider, code: str) -> Tokens:
        verifier = await self._verifier(flow, provider)
        try:
            return await provider.redeem(code, verifier)
        except WebError as error:
            raise AuthError(
                500,
                "unexpected_failure",
                f"Unable to exchange external code: {code[:SHOWN_OF_CODE]}",
            ) from error

    async def _verifier(self, flow: Row, provider: Provider) -> str:
        """Return our proof towards the provider, and forget it: a second callback has none."""
        state_id = flow["oauth_client_state_id"]
        if state_id is None:
            if provider.uses_pkce:
                raise AuthError(400, "bad_oauth_state", "OAuth PKCE code verifier missing")
            return ""
        async with self._room.store.transaction() as connection:
            state = await queries.one(connection, "take_client_state", id=state_id)
        if state is None:
            raise AuthError(422, "oauth_client_state_not_found", "OAuth state not found")
        if state["provider_type"] != flow["provider_type"]:
            raise AuthError(400, "bad_oauth_state", "OAuth provider mismatch")
        if state["is_expired"]:
            raise AuthError(422, "oauth_client_state_expired", "OAuth state expired")
        return str(state["code_verifier"])

    async def _arrival(self, flow: Row, provider: Provider, tokens: Tokens) -> Arrival:
        try:
            profile = await provider.read_profile(tokens)
        except (WebError, IdTokenError, ValueError) as error:
            raise AuthError(
                500,
                "unexpected_failure",
                "Error getting user profile from external provider",
            ) from error
        if not profile.emails and not flow["email_optional"]:
            raise AuthError(
                500, "unexpected_failure", "Error getting user email from external provider"
            )
        return Arrival(
            profile=profile, provider=provider.name, email_optional=flow["email_optional"]
        )


def _already_used() -> AuthError:
    return AuthError(400, "flow_state_already_used", "State has already been used")
