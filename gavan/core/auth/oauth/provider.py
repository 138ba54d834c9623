"""An identity provider as OAuth 2.0 sees it: where people are sent, and how a code is redeemed.

Stands over ``web.py``; every provider is one value of this class with its own way to a profile.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit, urlunsplit

from gavan.core.auth.oauth.profile import Profile
from gavan.core.auth.oauth.web import Document, Web, WebError
from gavan.kit.secret import Secret

RESERVED = frozenset(
    {
        "client_id",
        "client_secret",
        "redirect_uri",
        "response_type",
        "state",
        "code_challenge",
        "code_challenge_method",
        "code_verifier",
        "nonce",
    }
)
"""Parameters of an authorization request that nobody else may set; ``nonce`` is each caller's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """How a provider knows this stack."""

    client_id: str
    secret: Secret
    redirect_uri: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a code was redeemed for; absent tokens are empty. Never printed."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    id_token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider.

    ``read_profile`` raises WebError, IdTokenError or ValueError when it cannot say who somebody
    is. ``takes_basic`` says how the client's secret is sent first.
    """

    name: str
    web: Web
    registration: Registration
    authorization_url: str
    token_url: str
    read_profile: Callable[[Tokens], Awaitable[Profile]]
    fixed: Mapping[str, str] = field(default_factory=dict)
    takes_basic: bool = False
    uses_pkce: bool = False
    email_optional: bool = False

    def address(self, state: str, verifier: str, asked: Mapping[str, str]) -> str:
        """Return where a person is sent to sign in.

        Args:
            state: what comes back with them.
            verifier: proves later that the code is ours; empty without PKCE.
            asked: parameters that the caller wants passed on.
        """
        parts = urlsplit(self.authorization_url)
        registration = self.registration
        fields = dict(parse_qsl(parts.query, keep_blank_values=True))
        fields |= asked
        fields |= self.fixed
        fields |= {
            "response_type": "code",
            "client_id": registration.client_id,
            "redirect_uri": registration.redirect_uri,
            "state": state,
        }
        if registration.scopes:
            fields.setdefault("scope", " ".join(registration.scopes))
        if verifier:
            digest = hashlib.sha256(verifier.encode()).digest()
            challenge = urlsafe_b64encode(digest).rstrip(b"=").decode()
            fields |= {"code_challenge": challenge, "code_challenge_method": "S256"}
        return urlunsplit(parts._replace(query=urlencode(fields)))

    async def redeem(self, code: str, verifier: str) -> Tokens:
        """Return the tokens of a code; raise WebError when the provider gives none."""
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.registration.redirect_uri,
        }
        if verifier:
            fields["code_verifier"] = verifier
        answer = await self._ask(fields, is_basic=self.takes_basic)
        if _refuses_client(answer):
            # It wants the secret the other way, which only some providers say beforehand.
            answer = await self._ask(fields, is_basic=not self.takes_basic)
        content = answer.content
        if not answer.is_good or not isinstance(content, dict) or "error" in content:
            raise WebError(f"the token endpoint of {self.name} refused: {_reason(answer)}")
        if not _text(content, "access_token"):
            raise WebError(f"the token endpoint of {self.name} gave no access token")
        return Tokens(
            access=_text(content, "access_token"),
            refresh=_text(content, "refresh_token"),
            id_token=_text(content, "id_token"),
        )

    async def _ask(self, fields: Mapping[str, str], *, is_basic: bool) -> Document:
        registration = self.registration
        client_id, secret = registration.client_id, registration.secret.reveal()
        if is_basic:
            # Both are form-encoded before they are joined (RFC 6749, 2.3.1).
            pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
            headers = {"authorization": f"Basic {b64encode(pair.encode()).decode()}"}
            return await self.web.post(self.token_url, fields, headers=headers)
        named = {**fields, "client_id": client_id, "client_secret": secret}
        return await self.web.post(self.token_url, named, headers={})


def _refuses_client(answer: Document) -> bool:
    if answer.status == 401:
        return True
    return isinstance(answer.content, dict) and answer.content.get("error") == "invalid_client"


def _reason(answer: Document) -> str:
    if isinstance(answer.content, dict) and isinstance(answer.content.get("error"), str):
        return f"{answer.status} {answer.content['error']}"
    return str(answer.status)


def _text(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name)
    return value if isinstance(value, str) else ""
