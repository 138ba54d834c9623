"""Sign and verify JSON web tokens, and remember the verified ones.

Stands on the ground floor: the services of the core, and application services, verify with it and
render its failures in their own codes. Cryptography is PyJWT's.
"""

from __future__ import annotations

import base64
import json
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import jwt
from jwt.api_jws import PyJWS

from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

SHARED = ("HS256", "HS384", "HS512")
RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
CURVES = {
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "P-521": ("ES512",),
    "Ed25519": ("EdDSA",),
    "Ed448": ("EdDSA",),
}
ALGORITHMS = (*SHARED, *RSA, "ES256", "ES384", "ES512", "EdDSA")
CLOCK_SKEW_S = 30
CACHE_ENTRIES = 1000
PARTS = 3
MIN_SECRET_BYTES = 32
BASE64_FORMS = str.maketrans("-_.", "+/=")
"""Base64 as URLs carry it, to the plain form"""


class TokenReason(StrEnum):
    """Why a token is refused; every protocol maps these to its own codes and texts."""

    EMPTY = "empty"
    MALFORMED = "malformed"
    ALGORITHM = "algorithm"
    NO_KEY = "no_key"
    SIGNATURE = "signature"
    PAYLOAD = "payload"
    CLAIM_TYPE = "claim_type"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    ISSUED_IN_FUTURE = "issued_in_future"
    AUDIENCE = "audience"


class TokenError(GavanError):
    """A token that does not verify. ``message`` is worded as PostgREST words it."""

    def __init__(self, reason: TokenReason, message: str, *, details: str | None = None) -> None:
        super().__init__("GV720", message, details=details, status=401)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says.

    ``role`` is a string as it stands, any other JSON type as its JSON text, None when absent.
    ``json`` is the whole payload as ASCII JSON text, with ``role`` in that textual form.
    """

    role: str | None
    sub: str | None
    raw: Mapping[str, object]
    json: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyKey:
    """One key and the only algorithms it may be used with: those of its own kind."""

    algorithms: tuple[str, ...]
    # PyJWT's prepared key: bytes, or the public key object of cryptography
    material: Any = field(repr=False)
    kid: str | None = None


@dataclass(frozen=True, slots=True)
class _Entry:
    claims: Claims
    expires: int | None
    not_before: int | None
    issued: int | None


def shared_key(secret: Secret, *, kid: str | None = None) -> VerifyKey:
    """Return the HS256 key of a shared secret."""
    return VerifyKey(algorithms=("HS256",), material=secret.reveal().encode(), kid=kid)


def jwks_keys(document: Mapping[str, Any]) -> tuple[VerifyKey, ...]:
    """Return the keys of a JWK set that verify tokens.

    Keys for encryption, and of kinds or algorithms unknown here, are left out. Raises PyJWTError,
    KeyError, TypeError or AttributeError for what is no JWK set.
    """
    keys = []
    for item in document.get("keys", ()):
        algorithms = _algorithms_of(item)
        if algorithms:
            material = jwt.PyJWK(item, algorithm=algorithms[0]).key
            if hasattr(material, "public_key"):  # a private JWK verifies by its public half
                material = material.public_key()
            keys.append(VerifyKey(algorithms=algorithms, material=material, kid=item.get("kid")))
    return tuple(keys)


def _algorithms_of(item: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a JWK may be used for: its kind bounds it, its ``alg`` narrows that."""
    kind = item["kty"]
    if item.get("use") == "enc":
        return ()
    if kind in {"EC", "OKP"}:
        fitting: tuple[str, ...] = CURVES.get(item["crv"], ())
    else:
        fitting = {"oct": SHARED, "RSA": RSA}.get(kind, ())
    named = item.get("alg")
    return fitting if named is None else tuple(name for name in fitting if name == named)


def read_keys(secret: Secret, *, is_base64: bool = False) -> tuple[VerifyKey, ...]:
    """Return the keys of a setting: a JWK, a JWK set, or a shared secret, as it is or in base64.

    Raises:
        ValueError: it is none of them, or a shared secret of less than 32 bytes.
    """
    text = secret.reveal()
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if isinstance(document, dict):
        try:
            keys = jwks_keys(document if "keys" in document else {"keys": [document]})
        except (jwt.PyJWTError, AttributeError, KeyError, TypeError) as error:
            raise ValueError("it is no JWK and no JWK set") from error
        if not keys:
            raise ValueError(f"it has no key for {', '.join(ALGORITHMS)}")
        return keys
    material = text.encode(errors="surrogateescape")
    if is_base64:
        material = base64.b64decode(text.translate(BASE64_FORMS), validate=True)
    if len(material) < MIN_SECRET_BYTES:
        raise ValueError(f"it is shorter than {MIN_SECRET_BYTES} bytes")
    return (VerifyKey(algorithms=("HS256",), material=material),)


def sign(
    claims: Mapping[str, Any],
    secret: Secret,
    *,
    algorithm: str = "HS256",
    kid: str | None = None,
) -> str:
    """Return the signed token; ``secret`` is the shared secret or a PEM private key."""
    headers = {"kid": kid} if kid else None
    return jwt.encode(dict(claims), secret.reveal(), algorithm=algorithm, headers=headers)


class Verifier:
    """Verify tokens against a set of keys; verified ones are cached, times are checked each time.

    Args:
        keys: accepted keys. A token's ``kid`` picks the key of that name; when there is none, the
            unnamed keys of the token's algorithm are tried, and without a ``kid`` all of them.
        audience: accepted ``aud``; None accepts any value of the right type.
        clock: seconds since the epoch.
        cache_entries: verified tokens to remember; 0 remembers none.
    """

    def __init__(
        self,
        keys: Sequence[VerifyKey],
        *,
        audience: str | None = None,
        clock: Callable[[], float] = time.time,
        cache_entries: int = CACHE_ENTRIES,
    ) -> None:
        self._keys = tuple(keys)
        self._audience = audience
        self._clock = clock
        self._cache_entries = cache_entries
        self._jws = PyJWS(algorithms=ALGORITHMS)
        self._cache: OrderedDict[str, _Entry] = OrderedDict()

    def verify(self, token: str) -> Claims:
        """Return the claims of a good token; raise TokenError otherwise."""
        entry = self._cache.get(token)
        if entry is None:
            entry = self._open(token)
            self._check_times(entry)
            self._cache[token] = entry
            if len(self._cache) > self._cache_entries:
                self._cache.popitem(last=False)
        else:
            self._check_times(entry)
            self._cache.move_to_end(token)
        return entry.claims

    def _open(self, token: str) -> _Entry:
        if not token:
            raise TokenError(TokenReason.EMPTY, "Empty JWT is sent in Authorization header")
        parts = token.count(".") + 1
        if parts != PARTS:
            raise TokenError(TokenReason.MALFORMED, f"Expected 3 parts in JWT; got {parts}")
        payload = _payload(self._decode(token))
        check_audience(payload, self._audience)
        return _Entry(
            claims=_claims(payload),
            expires=_time(payload, "exp"),
            not_before=_time(payload, "nbf"),
            issued=_time(payload, "iat"),
        )

    def _decode(self, token: str) -> bytes:
        try:
            header = self._jws.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise TokenError(TokenReason.MALFORMED, "JWT cryptographic operation failed") from error
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            raise TokenError(
                TokenReason.ALGORITHM,
                "Wrong or unsupported encoding algorithm",
                details=_algorithm_details(algorithm),
            )
        keys = self._candidates(algorithm, header.get("kid"))
        for key in keys:
            try:
                decoded = self._jws.decode_complete(token, key.material, algorithms=[algorithm])
            except jwt.InvalidTokenError:
                continue
            payload: bytes = decoded["payload"]
            return payload
        raise TokenError(
            TokenReason.SIGNATURE if keys else TokenReason.NO_KEY,
            "No suitable key or wrong key type",
            details="None of the keys was able to decode the JWT",
        )

    def _candidates(self, algorithm: str, kid: str | None) -> list[VerifyKey]:
        # A key is only ever used with algorithms of its own kind: a token that names HS256 can
        # never be checked with the bytes of a public key.
        # One that names a known key is never tried with another.
        fitting = [key for key in self._keys if algorithm in key.algorithms]
        if kid is None:
            return fitting
        is_known = any(key.kid == kid for key in self._keys)
        return [key for key in fitting if key.kid == (kid if is_known else None)]

    def _check_times(self, entry: _Entry) -> None:
        now = self._clock()
        if entry.expires is not None and entry.expires < now - CLOCK_SKEW_S:
            raise TokenError(TokenReason.EXPIRED, "JWT expired")
        if entry.not_before is not None and entry.not_before > now + CLOCK_SKEW_S:
            raise TokenError(TokenReason.NOT_YET_VALID, "JWT not yet valid")
        if entry.issued is not None and entry.issued > now + CLOCK_SKEW_S:
            raise TokenError(TokenReason.ISSUED_IN_FUTURE, "JWT issued at future")


def _algorithm_details(algorithm: object) -> str:
    if str(algorithm).lower() == "none":
        return "JWT is unsecured but expected 'alg' was not 'none'"
    return f"supported: {', '.join(ALGORITHMS)}"


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _payload(text: bytes) -> dict[str, object]:
    try:
        # NaN and Infinity pass Python's parser but not Postgres's.
        payload = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise TokenError(TokenReason.PAYLOAD, "Parsing claims failed") from error
    if not isinstance(payload, dict):
        raise TokenError(TokenReason.PAYLOAD, "Parsing claims failed")
    return payload


def _claims(payload: dict[str, object]) -> Claims:
    role = payload.get("role")
    if role is not None and not isinstance(role, str):
        role = json.dumps(role, separators=(",", ":"))
        payload = {**payload, "role": role}
    sub = payload.get("sub")
    return Claims(
        role=role,
        sub=sub if isinstance(sub, str) else None,
        raw=payload,
        json=json.dumps(payload, separators=(",", ":")),
    )


def _time(payload: Mapping[str, object], name: str) -> int | None:
    value = payload.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenError(TokenReason.CLAIM_TYPE, f"The JWT '{name}' claim must be a number")
    # 1e999 reads as infinity; as an out-of-range time it counts as 0, like upstream.
    return math.floor(value) if math.isfinite(value) else 0


def check_audience(payload: Mapping[str, object], wanted: str | None) -> None:
    """Raise TokenError unless the token is for ``wanted``; None accepts any audience."""
    value = payload.get("aud")
    if value is None:
        return
    values: Iterable[object] = [value] if isinstance(value, str) else _audiences(value)
    found = list(values)
    if not found or wanted is None or wanted in found:
        return
    raise TokenError(TokenReason.AUDIENCE, "JWT not in audience")


def _audiences(value: object) -> list[object]:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    raise TokenError(
        TokenReason.CLAIM_TYPE, "The JWT 'aud' claim must be a string or an array of strings"
    )
