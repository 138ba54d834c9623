"""The providers that are known by name: GitHub, GitLab, Google, Keycloak.

Each says where people sign in and how its own documents become a profile (supabase/auth:
internal/api/provider/github.go, gitlab.go, google.go, keycloak.go).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gavan.core.auth.config.external import ProviderConfig
from gavan.core.auth.oauth.oidc import IdTokenError, Issuer, Issuers, audiences, check_access_token
from gavan.core.auth.oauth.profile import Email, Profile, make_profile
from gavan.core.auth.oauth.provider import Provider, Registration, Tokens
from gavan.core.auth.oauth.web import Web, WebError

GITHUB = "https://github.com"
GITHUB_API = "https://api.github.com"
GITLAB = "https://gitlab.com"
GOOGLE = "https://accounts.google.com"
KEYCLOAK_STANDARD = frozenset({"name", "sub", "email", "email_verified"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a provider is made with; ``registration`` has the scopes that were asked for."""

    config: ProviderConfig
    registration: Registration
    web: Web
    issuers: Issuers

    def registered(self, *scopes: str) -> Registration:
        """Return the registration with the provider's own scopes before those asked for."""
        return replace(self.registration, scopes=(*scopes, *self.registration.scopes))


async def github(setting: Setting) -> Provider:
    """Return GitHub, or the GitHub Enterprise Server at the configured address."""
    own = setting.config.url
    host, api = own or GITHUB, f"{own}/api/v3" if own else GITHUB_API

    async def profile(tokens: Tokens) -> Profile:
        user = _mapping(await setting.web.get(f"{api}/user", bearer=tokens.access))
        emails = await setting.web.get(f"{api}/user/emails", bearer=tokens.access)
        return github_profile(api, user, emails)

    return Provider(
        name="github",
        web=setting.web,
        registration=setting.registered("user:email"),
        authorization_url=f"{host}/login/oauth/authorize",
        token_url=f"{host}/login/oauth/access_token",
        read_profile=profile,
        email_optional=setting.config.email_optional,
    )


def github_profile(api: str, user: Mapping[str, Any], emails: object) -> Profile:
    """Return the profile of GitHub's user and the list of their addresses."""
    number = _number(user)
    claims = {
        "iss": api,
        "sub": number,
        "name": user.get("name"),
        "preferred_username": user.get("login"),
        "avatar_url": user.get("avatar_url"),
        "full_name": user.get("name"),
        "provider_id": number,
        "user_name": user.get("login"),
    }
    found = [
        Email(str(item["email"]), item.get("verified") is True, item.get("primary") is True)
        for item in _mappings(emails)
        if isinstance(item.get("email"), str)
    ]
    return make_profile(claims, found)


async def gitlab(setting: Setting) -> Provider:
    """Return GitLab, or the one at the configured address."""
    host = setting.config.url or GITLAB

    async def profile(tokens: Tokens) -> Profile:
        user = _mapping(await setting.web.get(f"{host}/api/v4/user", bearer=tokens.access))
        emails = await setting.web.get(f"{host}/api/v4/user/emails", bearer=tokens.access)
        return gitlab_profile(host, user, emails)

    return Provider(
        name="gitlab",
        web=setting.web,
        registration=setting.registered("read_user"),
        authorization_url=f"{host}/oauth/authorize",
        token_url=f"{host}/oauth/token",
        read_profile=profile,
        email_optional=setting.config.email_optional,
    )


def gitlab_profile(host: str, user: Mapping[str, Any], emails: object) -> Profile:
    """Return the profile of GitLab's user; of the other addresses it does not say who has them."""
    number = _number(user)
    claims = {
        "iss": host,
        "sub": number,
        "name": user.get("name"),
        "picture": user.get("avatar_url"),
        "avatar_url": user.get("avatar_url"),
        "full_name": user.get("name"),
        "provider_id": number,
    }
    found = [
        Email(str(item["email"]), False, False)
        for item in _mappings(emails)
        if isinstance(item.get("email"), str)
    ]
    if isinstance(user.get("email"), str):
        found.append(Email(str(user["email"]), bool(user.get("confirmed_at")), True))
    return make_profile(claims, found)


async def google(setting: Setting) -> Provider:
    """Return Google; a configured address stands in for its issuer, which tests use."""
    issuer = await setting.issuers.get(setting.config.url or GOOGLE, setting.web)
    return Provider(
        name="google",
        web=setting.web,
        registration=setting.registered("email", "profile"),
        authorization_url=issuer.endpoint("authorization_endpoint"),
        token_url=issuer.endpoint("token_endpoint"),
        read_profile=_google_reader(setting, issuer),
        email_optional=setting.config.email_optional,
    )


def _google_reader(setting: Setting, issuer: Issuer) -> Callable[[Tokens], Awaitable[Profile]]:
    async def profile(tokens: Tokens) -> Profile:
        if not tokens.id_token:
            address = issuer.endpoint("userinfo_endpoint")
            claims = _mapping(await setting.web.get(address, bearer=tokens.access))
            return google_profile({**claims, "iss": issuer.document["issuer"]})
        claims = await issuer.verified(tokens.id_token)
        if setting.registration.client_id not in audiences(claims):
            raise IdTokenError("it was made for another client")
        check_access_token(claims, tokens.access, tokens.id_token)
        return google_profile(claims)

    return profile


def google_profile(claims: Mapping[str, Any]) -> Profile:
    """Return the profile of claims that Google signed."""
    named = {
        "iss": claims.get("iss"),
        "sub": claims.get("sub"),
        "name": claims.get("name"),
        "picture": claims.get("picture"),
        "avatar_url": claims.get("picture"),
        "full_name": claims.get("name"),
        "provider_id": claims.get("sub"),
    }
    is_verified = claims.get("email_verified") is True or claims.get("verified_email") is True
    emails = [Email(str(claims.get("email") or ""), is_verified, True)]
    hosted = claims.get("hd")
    return make_profile(named, emails, {"hd": hosted} if hosted else None)


async def keycloak(setting: Setting) -> Provider:
    """Return the realm of a Keycloak at the configured address."""
    realm = setting.config.url
    if not realm:
        raise WebError("unable to find URL for the Keycloak provider")
    root = f"{realm}/protocol/openid-connect"

    async def profile(tokens: Tokens) -> Profile:
        claims = _mapping(await setting.web.get(f"{root}/userinfo", bearer=tokens.access))
        return keycloak_profile(realm, claims)

    return Provider(
        name="keycloak",
        web=setting.web,
        registration=setting.registered("profile", "email"),
        authorization_url=f"{root}/auth",
        token_url=f"{root}/token",
        read_profile=profile,
        email_optional=setting.config.email_optional,
    )


def keycloak_profile(realm: str, claims: Mapping[str, Any]) -> Profile:
    """Return the profile of what a realm says of a user; what else it says is kept as well."""
    named = {
        "iss": realm,
        "sub": claims.get("sub"),
        "name": claims.get("name"),
        "full_name": claims.get("name"),
        "provider_id": claims.get("sub"),
    }
    email = Email(str(claims.get("email") or ""), claims.get("email_verified") is True, True)
    custom = {name: claims[name] for name in claims if name not in KEYCLOAK_STANDARD}
    return make_profile(named, [email], custom)


BUILTIN: Mapping[str, Callable[[Setting], Awaitable[Provider]]] = {
    "github": github,
    "gitlab": gitlab,
    "google": google,
    "keycloak": keycloak,
}


def _mapping(content: object) -> Mapping[str, Any]:
    if not isinstance(content, dict):
        raise WebError("the provider's answer about the user is no object")
    return content


def _mappings(content: object) -> list[Mapping[str, Any]]:
    return [item for item in content if isinstance(item, dict)] if isinstance(content, list) else []


def _number(user: Mapping[str, Any]) -> str:
    number = user.get("id")
    return str(number) if isinstance(number, int) and not isinstance(number, bool) else ""
