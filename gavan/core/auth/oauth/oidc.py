"""OpenID Connect issuers: discovery, their keys, and the ID tokens that they sign.

Stands under the providers and the ``id_token`` grant. Documents are kept for as long as the
configuration says and outlive an issuer that does not answer for a while (supabase/auth:
internal/api/provider/oidc_cache.go). Cryptography is PyJWT's.
"""

from __future__ import annotations

import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Any

import jwt

from gavan.core.auth.oauth.web import Web, WebError

# No shared secrets: whoever can check such a token can make one.
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
LEEWAY_S = 30
KEYS_AGAIN_S = 10.0
"""Tokens that name unknown keys make the keys be read again, but no more often than this."""
KEEPS = 100
"""Issuers that are remembered."""
REQUIRED = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")


class IdTokenError(Exception):
    """An ID token that proves nothing."""


@dataclass(slots=True)
class Issuer:
    """One issuer as its discovery document describes it, with the keys that were read so far."""

    document: Mapping[str, Any]
    web: Web
    clock: Callable[[], float]
    read_at: float
    _keys: list[jwt.PyJWK] = field(default_factory=list)
    _keys_at: float = float("-inf")

    def endpoint(self, name: str) -> str:
        """Return an address of the document, empty when it has none."""
        value = self.document.get(name)
        return value if isinstance(value, str) else ""

    @property
    def takes_basic(self) -> bool:
        """Whether the token endpoint takes the client's secret as HTTP Basic, the default."""
        methods = self.document.get("token_endpoint_auth_methods_supported")
        return not isinstance(methods, list) or "client_secret_basic" in methods

    async def verified(self, token: str) -> dict[str, Any]:
        """Return the claims of a token of this issuer that is signed and in its time.

        The audience is the caller's to check. Raises IdTokenError.
        """
        header = header_of(token)
        for key in await self._candidates(header.get("kid"), header["alg"]):
            try:
                return _decoded(token, key, header["alg"], str(self.document["issuer"]))
            except jwt.InvalidSignatureError:
                continue
            except jwt.InvalidTokenError as error:
                raise IdTokenError(str(error)) from error
        raise IdTokenError("no key of the issuer has signed it")

    async def _candidates(self, kid: object, alg: str) -> list[jwt.PyJWK]:
        now = self.clock()
        fitting = _fitting(self._keys, kid, alg)
        if fitting or now < self._keys_at + KEYS_AGAIN_S:
            return fitting
        try:
            document = await self.web.get(self.endpoint("jwks_uri"))
        except WebError as error:
            raise IdTokenError(str(error)) from error
        self._keys, self._keys_at = _read_keys(document), now
        return _fitting(self._keys, kid, alg)


class Issuers:
    """The issuers that were asked for lately.

    Args:
        kept_s: how long a discovery document is taken for true.
        clock: seconds that only grow.
    """

    def __init__(self, kept_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept_s = kept_s
        self._clock = clock
        self._known: dict[tuple[str, str], Issuer] = {}

    async def get(self, issuer: str, web: Web, discovery_url: str = "") -> Issuer:
        """Return an issuer; raise WebError when it never answered, or as somebody else."""
        url = discovery_url or f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        known = self._known.get((issuer, url))
        if known is not None and self._clock() < known.read_at + self._kept_s:
            return known
        try:
            document = await discover(issuer, url, web)
        except WebError:
            if known is not None:
                return known
            raise
        while len(self._known) >= KEEPS:
            del self._known[next(iter(self._known))]
        fresh = Issuer(document, web, self._clock, self._clock())
        self._known[issuer, url] = fresh
        return fresh

    def forget(self) -> None:
        """Read every document again at its next use."""
        self._known.clear()


async def discover(issuer: str, url: str, web: Web) -> Mapping[str, Any]:
    """Return a discovery document; raise WebError when it is not this issuer's own."""
    document = await web.get(url)
    if not isinstance(document, dict):
        raise WebError(f"{url} is no discovery document")
    if document.get("issuer") != issuer:
        raise WebError(f"issuer mismatch, expected {issuer!r} got {document.get('issuer')!r}")
    missing = [name for name in REQUIRED if not isinstance(document.get(name), str)]
    if missing:
        raise WebError(f"OIDC discovery document is missing required fields: {', '.join(missing)}")
    return document


def header_of(token: str) -> dict[str, Any]:
    """Return the header of a token that may prove something; raise IdTokenError for any other.

    That much can be told without asking its issuer.
    """
    try:
        header: dict[str, Any] = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError as error:
        raise IdTokenError(str(error)) from error
    if header.get("alg") not in ALGORITHMS:
        raise IdTokenError("it is signed with an algorithm that proves nothing")
    return header


def check_access_token(claims: Mapping[str, Any], access_token: str, id_token: str) -> None:
    """Raise IdTokenError unless the ``at_hash`` of an ID token, if any, is of an access token."""
    told = claims.get("at_hash")
    if told is None:
        return
    algorithm = jwt.get_algorithm_by_name(jwt.get_unverified_header(id_token)["alg"])
    digest = algorithm.compute_hash_digest(access_token.encode())
    made = urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=")
    if not isinstance(told, str) or not compare_digest(made, told.encode()):
        raise IdTokenError("its at_hash is of another access token")


def audiences(claims: Mapping[str, Any]) -> list[str]:
    """Return for whom a token was made."""
    value = claims.get("aud")
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, str)]


def _decoded(token: str, key: jwt.PyJWK, alg: str, issuer: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(
        token,
        key.key,
        algorithms=[alg],
        issuer=issuer,
        leeway=LEEWAY_S,
        options={"require": ["exp", "iat", "iss", "sub"], "verify_aud": False},
    )
    return claims


def _fitting(keys: Sequence[jwt.PyJWK], kid: object, alg: str) -> list[jwt.PyJWK]:
    # A key says by its kind what it may be used for, whatever a token says.
    return [
        key
        for key in keys
        if (kid is None or key.key_id == kid) and _kind(key.algorithm_name) == _kind(alg)
    ]


def _kind(alg: str) -> str:
    # RSA keys without an alg are taken for RS256, and may sign with any size and padding.
    return "RSA" if alg[:2] in {"RS", "PS"} else alg


def _read_keys(document: Any) -> list[jwt.PyJWK]:
    items = document.get("keys") if isinstance(document, dict) else None
    keys = []
    for item in items if isinstance(items, list) else ():
        if not isinstance(item, dict) or item.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(item)
        except jwt.PyJWTError:
            continue  # of a kind that is not known here
        if key.key_type != "oct":
            keys.append(key)
    return keys
