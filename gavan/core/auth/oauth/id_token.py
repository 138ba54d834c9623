"""The ``id_token`` grant: an application signed somebody in at a provider and has their ID token.

The token has to be the provider's, for a client of this stack, and bound to what the application
says besides: its nonce and its access token (supabase/auth:internal/api/token_oidc.go).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from gavan.core.auth.config.external import ExternalConfig
from gavan.core.auth.errors import AuthError, OAuthError, validation_failed
from gavan.core.auth.flows.accounts import saving
from gavan.core.auth.flows.room import Asked, Room
from gavan.core.auth.oauth.builtin import GOOGLE, google_profile
from gavan.core.auth.oauth.custom import PREFIX, issuer_of, mapped_profile
from gavan.core.auth.oauth.entry import Arrival, Entered, Entries, settled, tell_of
from gavan.core.auth.oauth.oidc import (
    IdTokenError,
    Issuer,
    audiences,
    check_access_token,
    header_of,
)
from gavan.core.auth.oauth.profile import (
    Email,
    Profile,
    make_profile,
    standard_claims,
    standard_profile,
)
from gavan.core.auth.oauth.registry import Registry
from gavan.core.auth.oauth.web import WebError
from gavan.core.auth.store import Connection

APPLE = "https://appleid.apple.com"
INVALID = "invalid request"

ReadProfile = Callable[[Mapping[str, Any]], Profile]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdToken:
    """The input of the grant; absent texts are empty."""

    id_token: str = field(repr=False)
    access_token: str = field(repr=False)
    nonce: str
    provider: str
    client_id: str
    issuer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """Who signs, for whom, and how the claims are read."""

    provider: str
    issuer: Issuer
    client_ids: frozenset[str]
    read: ReadProfile
    skips_nonce_check: bool = False
    email_optional: bool = False


class IdTokens:
    """Sign-ins with a token that a provider gave to an application."""

    def __init__(self, room: Room, registry: Registry, entries: Entries) -> None:
        self._room = room
        self._registry = registry
        self._entries = entries

    async def enter(
        self, wanted: IdToken, asked: Asked, *, target_id: UUID | None = None
    ) -> dict[str, Any]:
        """Return a session.

        Args:
            target_id: the account to link the identity to, None for a sign-in.

        Raises:
            AuthError: 400 for a provider that is not offered or a token that proves nothing.
        """
        _check_input(wanted)
        source = await self._source(wanted)
        arrival = await self._arrival(wanted, source)
        if target_id is None:
            await self._entries.ask_hook(arrival, asked)
        with saving("saving new user"):
            session, entered = await settled(
                self._room.store,
                lambda connection: self._inside(connection, arrival, asked, target_id),
            )
        if entered.refusal is not None:
            raise entered.refusal
        if entered.is_new:
            await tell_of(self._room, entered.user_id)
        return session

    async def _inside(
        self, connection: Connection, arrival: Arrival, asked: Asked, target_id: UUID | None
    ) -> tuple[dict[str, Any], Entered]:
        if target_id is not None:
            entered = await self._entries.link(connection, arrival, target_id, asked)
        else:
            entered = await self._entries.sign_in(connection, arrival, asked)
        if entered.refusal is not None:
            return {}, entered
        session = await self._room.sessions.begin(
            connection, entered.user_id, "oauth", asked.client
        )
        return session, entered

    async def _arrival(self, wanted: IdToken, source: _Source) -> Arrival:
        try:
            claims = await source.issuer.verified(wanted.id_token)
            if wanted.access_token:
                check_access_token(claims, wanted.access_token, wanted.id_token)
            profile = source.read(claims)
        except (IdTokenError, ValueError) as error:
            raise OAuthError(INVALID, "Bad ID token") from error
        told = audiences(claims)
        if not source.client_ids & set(told):
            raise OAuthError(INVALID, f"Unacceptable audience in id_token: [{' '.join(told)}]")
        if not source.skips_nonce_check:
            _check_nonce(wanted.nonce, claims.get("nonce"))
        return Arrival(
            profile=profile, provider=source.provider, email_optional=source.email_optional
        )

    async def _source(self, wanted: IdToken) -> _Source:
        external = self._room.config.external
        if wanted.provider.startswith(PREFIX):
            return await self._custom(wanted.provider, wanted.id_token)
        name, address = _named(wanted, external)
        config = external.providers.get(name)
        if name and (config is None or not config.enabled):
            raise AuthError(
                400, "provider_disabled", f'Provider (issuer "{address}") is not enabled'
            )
        if config is None:
            return await self._allowed(wanted, external)
        readers: dict[str, ReadProfile] = {"google": google_profile, "apple": apple_profile}
        return _Source(
            provider=name,
            issuer=await self._issuer(address, wanted.id_token),
            client_ids=frozenset(config.client_ids),
            read=readers.get(name, _generic_profile),
            skips_nonce_check=config.skips_nonce_check,
            email_optional=config.email_optional,
        )

    async def _allowed(self, wanted: IdToken, external: ExternalConfig) -> _Source:
        if wanted.issuer not in external.allowed_issuers:
            raise validation_failed(f'Custom OIDC provider "{wanted.provider}" not allowed')
        return _Source(
            provider=wanted.issuer,
            issuer=await self._issuer(wanted.issuer, wanted.id_token),
            client_ids=frozenset({wanted.client_id} - {""}),
            read=_generic_profile,
        )

    async def _custom(self, identifier: str, token: str) -> _Source:
        try:
            row = await self._registry.custom_row(identifier)
            if row["provider_type"] != "oidc":
                raise validation_failed(f'Provider "{identifier}" is not an OIDC provider')
            _check_form(token)
            issuer = await issuer_of(row, self._registry.custom_setting())
        except WebError as error:
            raise validation_failed(str(error)) from error
        return _Source(
            provider=identifier,
            issuer=issuer,
            client_ids=frozenset({row["client_id"], *row["acceptable_client_ids"]}),
            read=lambda claims: mapped_profile(claims, row),
            skips_nonce_check=row["skip_nonce_check"],
            email_optional=row["email_optional"],
        )

    async def _issuer(self, address: str, token: str) -> Issuer:
        _check_form(token)
        try:
            return await self._registry.issuers.get(address, self._registry.own)
        except WebError as error:
            raise AuthError(
                500, "unexpected_failure", "The identity provider cannot be reached"
            ) from error


def apple_profile(claims: Mapping[str, Any]) -> Profile:
    """Return the profile of claims that Apple signed; it vouches for every address it names."""
    subject = claims.get("sub")
    named = {"iss": claims.get("iss"), "sub": subject, "provider_id": subject}
    custom = {
        name: claims[name]
        for name in ("is_private_email", "auth_time", "transfer_sub")
        if name in claims
    }
    return make_profile(named, [Email(str(claims.get("email") or ""), True, True)], custom)


def _generic_profile(claims: Mapping[str, Any]) -> Profile:
    return standard_profile(standard_claims(claims))


def _named(wanted: IdToken, external: ExternalConfig) -> tuple[str, str]:
    """Return the provider that is meant and its issuer; both empty for any other issuer."""
    known = {"google": GOOGLE, "apple": APPLE, "keycloak": ""}
    for name, usual in known.items():
        config = external.providers.get(name)
        address = (config.url if config else "") or usual
        if wanted.provider == name or (address and wanted.issuer == address):
            return name, address
    return "", wanted.issuer


def _check_input(wanted: IdToken) -> None:
    if not wanted.id_token:
        raise OAuthError(INVALID, "id_token required")
    if not wanted.provider and not (wanted.client_id and wanted.issuer):
        raise OAuthError(INVALID, "provider or client_id and issuer required")


def _check_form(token: str) -> None:
    # What is no token at all is no reason to ask a provider.
    try:
        header_of(token)
    except IdTokenError as error:
        raise OAuthError(INVALID, "Bad ID token") from error


def _check_nonce(given: str, told: object) -> None:
    has_told = isinstance(told, str) and bool(told)
    if bool(given) != has_told:
        raise OAuthError(
            INVALID, "Passed nonce and nonce in id_token should either both exist or not."
        )
    if given and hashlib.sha256(given.encode()).hexdigest() != told:
        raise OAuthError("invalid nonce", "Nonces mismatch")
