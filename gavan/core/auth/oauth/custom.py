"""Providers that an administrator named: rows of ``auth.custom_oauth_providers``.

Each is an OpenID Connect issuer, or an OAuth 2.0 server with an address for its users' data
(supabase/auth:internal/api/provider/custom_oauth.go).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gavan.core.auth.model import Row
from gavan.core.auth.oauth.oidc import IdTokenError, Issuer, Issuers, audiences
from gavan.core.auth.oauth.profile import Profile, standard_claims, standard_profile
from gavan.core.auth.oauth.provider import Provider, Registration, Tokens
from gavan.core.auth.oauth.web import Web, WebError
from gavan.kit.secret import Secret

PREFIX = "custom:"


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomSetting:
    """What a provider is made with, beside its row."""

    redirect_uri: str
    scopes: tuple[str, ...]
    web: Web
    issuers: Issuers


async def custom(row: Row, setting: CustomSetting) -> Provider:
    """Return the provider of a row; raise WebError when its issuer cannot be asked."""
    if row["provider_type"] == "oidc":
        return await _oidc(row, setting)
    return Provider(
        name=row["identifier"],
        web=setting.web,
        registration=_registration(row, setting, ()),
        authorization_url=row["authorization_url"],
        token_url=row["token_url"],
        read_profile=_userinfo_reader(row, setting.web, row["userinfo_url"]),
        fixed=_fixed(row),
        takes_basic=True,
        uses_pkce=row["pkce_enabled"],
        email_optional=row["email_optional"],
    )


async def issuer_of(row: Row, setting: CustomSetting) -> Issuer:
    """Return the issuer of a row; raise WebError when it cannot be asked."""
    return await setting.issuers.get(row["issuer"], setting.web, row["discovery_url"] or "")


async def _oidc(row: Row, setting: CustomSetting) -> Provider:
    issuer = await issuer_of(row, setting)
    return Provider(
        name=row["identifier"],
        web=setting.web,
        registration=_registration(row, setting, ("openid",)),
        authorization_url=issuer.endpoint("authorization_endpoint"),
        token_url=issuer.endpoint("token_endpoint"),
        read_profile=_token_reader(row, setting.web, issuer),
        fixed=_fixed(row),
        takes_basic=issuer.takes_basic,
        uses_pkce=row["pkce_enabled"],
        email_optional=row["email_optional"],
    )


def _token_reader(row: Row, web: Web, issuer: Issuer) -> Callable[[Tokens], Awaitable[Profile]]:
    acceptable = {row["client_id"], *row["acceptable_client_ids"]}

    async def profile(tokens: Tokens) -> Profile:
        if not tokens.id_token:
            address = issuer.endpoint("userinfo_endpoint")
            if not address:
                raise WebError("no ID token or userinfo endpoint available")
            return await _userinfo_reader(row, web, address)(tokens)
        claims = await issuer.verified(tokens.id_token)
        if not acceptable & set(audiences(claims)):
            raise IdTokenError("its audience is no client of this provider")
        return mapped_profile(claims, row)

    return profile


def _userinfo_reader(row: Row, web: Web, address: str) -> Callable[[Tokens], Awaitable[Profile]]:
    async def profile(tokens: Tokens) -> Profile:
        raw = await web.get(address, bearer=tokens.access)
        if not isinstance(raw, dict):
            raise WebError("the provider's answer about the user is no object")
        return mapped_profile(raw, row)

    return profile


def mapped_profile(raw: Mapping[str, Any], row: Row) -> Profile:
    """Return the profile of a document as the row wants it read.

    A mapping's text names the claim to copy, anything else is the value itself. Claims of the
    list are kept as they are under ``custom_claims``. Raises ValueError without a subject.
    """
    claims = standard_claims(raw)
    kept = {name: raw[name] for name in row["custom_claims_allowlist"] if name in raw}
    if kept:
        claims["custom_claims"] = {**claims.get("custom_claims", {}), **kept}
    known = {**raw, **claims}
    changed = dict(claims)
    for target, source in row["attribute_mapping"].items():
        if not isinstance(source, str):
            changed[target] = source
        elif source in known:
            changed[target] = known[source]
    return standard_profile(standard_claims(changed))


def _registration(row: Row, setting: CustomSetting, needed: tuple[str, ...]) -> Registration:
    scopes = setting.scopes or tuple(row["scopes"])
    return Registration(
        client_id=row["client_id"],
        secret=Secret(row["client_secret"]),
        redirect_uri=setting.redirect_uri,
        scopes=(*(name for name in needed if name not in scopes), *scopes),
    )


def _fixed(row: Row) -> dict[str, str]:
    return {
        name: text for name, text in row["authorization_params"].items() if isinstance(text, str)
    }
