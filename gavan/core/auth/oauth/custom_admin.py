"""Custom providers as administrators make, show, change and delete them.

What is stored has been tried: the addresses are checked and an issuer's document is read first
(supabase/auth:internal/api/custom_oauth_admin.go). The client's secret never comes out again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gavan.core.auth.errors import AuthError, validation_failed
from gavan.core.auth.flows.room import Room
from gavan.core.auth.model import Row, rfc3339
from gavan.core.auth.oauth.custom import PREFIX
from gavan.core.auth.oauth.custom_input import (
    DISCOVERY_FIELDS,
    TYPES,
    Input,
    addresses_of,
    check_new,
    check_values,
    merged,
)
from gavan.core.auth.oauth.oidc import discover
from gavan.core.auth.oauth.queries import queries
from gavan.core.auth.oauth.registry import Registry
from gavan.core.auth.oauth.web import WebError

SHOWN = (
    "provider_type",
    "identifier",
    "name",
    "client_id",
    "acceptable_client_ids",
    "scopes",
    "pkce_enabled",
    "attribute_mapping",
    "custom_claims_allowlist",
    "authorization_params",
    "enabled",
    "email_optional",
    "skip_nonce_check",
)
OPTIONAL = ("issuer", "discovery_url", "authorization_url", "token_url", "userinfo_url", "jwks_uri")


class CustomProviders:
    """Rows of ``auth.custom_oauth_providers``."""

    def __init__(self, room: Room, registry: Registry) -> None:
        self._room = room
        self._registry = registry

    async def find(self, provider_type: str) -> list[dict[str, Any]]:
        """Return all providers, or those of one type, newest first."""
        if provider_type and provider_type not in TYPES:
            raise validation_failed("type must be either 'oauth2' or 'oidc'")
        async with self._room.store.transaction() as connection:
            rows = await queries.many(
                connection, "custom_providers", provider_type=provider_type or None
            )
        return [_shown(row) for row in rows]

    async def show(self, identifier: str) -> dict[str, Any]:
        """Return one provider; raise AuthError 404 ``custom_provider_not_found``."""
        return _shown(await self._row(identifier))

    async def create(self, wanted: Input) -> dict[str, Any]:
        """Store a new provider.

        Raises:
            AuthError: 400 for what cannot be used, an identifier that is taken, or one too many.
        """
        check_new(wanted)
        check_values(wanted)
        await self._check_room()
        row = merged({}, wanted)
        await self._check_addresses(addresses_of(row, row))
        document = await self._discovered(row) if row["provider_type"] == "oidc" else None
        async with self._room.store.transaction() as connection:
            stored = await queries.one(
                connection, "put_custom_provider", **row, cached_discovery=document
            )
        if stored is None:
            raise AuthError(
                400, "conflict", "A custom OAuth provider with this identifier already exists"
            )
        return _shown(stored)

    async def change(self, identifier: str, wanted: Input) -> dict[str, Any]:
        """Change what is named of a provider; raise AuthError as ``create`` does, or 404."""
        check_values(wanted)
        known = await self._row(identifier)
        row = merged(known, wanted)
        await self._check_addresses(addresses_of(row, wanted))
        document = None
        is_moved = bool(wanted.get("issuer")) or wanted.get("discovery_url") is not None
        if row["provider_type"] == "oidc" and is_moved:
            document = await self._discovered(row)
        async with self._room.store.transaction() as connection:
            stored = await queries.one(
                connection, "change_custom_provider", **row, cached_discovery=document
            )
        self._registry.issuers.forget()
        if stored is None:
            raise _not_found()
        return _shown(stored)

    async def delete(self, identifier: str) -> None:
        """Forget a provider; identities of it stay, but nobody can sign in with them."""
        _check_identifier(identifier)
        async with self._room.store.transaction() as connection:
            if not await queries.change(
                connection, "delete_custom_provider", identifier=identifier
            ):
                raise _not_found()
        self._registry.issuers.forget()

    async def _row(self, identifier: str) -> Row:
        _check_identifier(identifier)
        async with self._room.store.transaction() as connection:
            row = await queries.one(connection, "custom_provider", identifier=identifier)
        if row is None:
            raise _not_found()
        return row

    async def _check_room(self) -> None:
        most = self._room.config.external.custom_providers_most
        if not most:
            return
        async with self._room.store.transaction() as connection:
            counted = await queries.one(connection, "count_custom_providers")
        if counted and counted["total"] >= most:
            raise AuthError(
                400,
                "over_custom_provider_quota",
                "Maximum number of custom OAuth/OIDC providers reached",
            )

    async def _check_addresses(self, addresses: list[str]) -> None:
        for address in addresses:
            try:
                await self._registry.foreign.check(address)
            except WebError as error:
                raise validation_failed(str(error)) from error

    async def _discovered(self, row: Mapping[str, Any]) -> dict[str, Any]:
        usual = f"{row['issuer'].rstrip('/')}/.well-known/openid-configuration"
        url = row["discovery_url"] or usual
        try:
            document = await discover(row["issuer"], url, self._registry.foreign)
        except WebError as error:
            raise validation_failed(f'OIDC discovery from "{url}" failed: {error}') from error
        return {name: document[name] for name in DISCOVERY_FIELDS if name in document}


def _shown(row: Row) -> dict[str, Any]:
    body: dict[str, Any] = {"id": str(row["id"])} | {name: row[name] for name in SHOWN}
    body |= {name: row[name] for name in OPTIONAL if row[name] is not None}
    if row["cached_discovery"] is not None:
        body["discovery_document"] = row["cached_discovery"]
    return body | {
        "created_at": rfc3339(row["created_at"]),
        "updated_at": rfc3339(row["updated_at"]),
    }


def _check_identifier(identifier: str) -> None:
    if not identifier.startswith(PREFIX):
        raise validation_failed(
            f"identifier must start with 'custom:' prefix, e.g. 'custom:{identifier}'"
        )


def _not_found() -> AuthError:
    return AuthError(404, "custom_provider_not_found", "Custom OAuth provider not found")
