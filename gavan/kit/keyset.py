"""The keys of one stack's tokens: one signs, all of them verify, the public ones are published.

Stands beside ``jwt.py`` on the ground floor: the core signs with it and the engine makes it. The
form is GoTrue's ``GOTRUE_JWT_KEYS``, a JSON list of JWKs (supabase/auth:internal/conf/jwk.go).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from gavan.kit.jwt import VerifyKey, jwks_keys, shared_key
from gavan.kit.secret import Secret

RSA_BITS = 2048
_MAKERS: dict[str, Callable[[], Any]] = {
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES512": lambda: ec.generate_private_key(ec.SECP521R1()),
    "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS),
    "RS512": lambda: rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}
MADE = tuple(_MAKERS)
"""Algorithms that keys are made for; a shared secret signs with HS256 besides."""
SIGNING = ("HS256", *MADE)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    """What signs, what verifies and what is published as JWK set.

    ``public`` holds no shared secret and no private part.
    """

    algorithm: str
    # PyJWT's prepared key: bytes, or the private key object of cryptography
    material: Any = field(repr=False)
    kid: str | None
    verifying: tuple[VerifyKey, ...]
    public: tuple[Mapping[str, Any], ...]

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Return the token; its header names the key when the key has a name."""
        headers = {"kid": self.kid} if self.kid else None
        return jwt.encode(dict(claims), self.material, algorithm=self.algorithm, headers=headers)


def shared_set(secret: Secret, *, kid: str = "") -> KeySet:
    """Return the set of a shared secret alone: HS256, nothing to publish."""
    key = shared_key(secret)
    return KeySet(
        algorithm="HS256", material=key.material, kid=kid or None, verifying=(key,), public=()
    )


def read_key_set(keys: Secret, *, legacy: Secret, legacy_kid: str = "") -> KeySet:
    """Return the set of a list of JWKs, exactly one of which has ``sign`` among its ``key_ops``.

    Tokens of the ``legacy`` secret stay good: API keys are made with it. Its key has no name of
    its own, so that tokens which name ``legacy_kid``, an unknown key or none are tried with it.

    Raises:
        ValueError: what is wrong with the list; never a part of a key.
    """
    items = _items(keys)
    signers = [item for item in items if "sign" in item.get("key_ops", ())]
    if len(signers) != 1:
        raise ValueError(f"{len(signers)} of its keys sign (key_ops has sign), one has to")
    if legacy_kid and any(item.get("kid") == legacy_kid for item in items):
        raise ValueError(f"the shared secret and a key are both named {legacy_kid}")
    signer = signers[0]
    algorithm = _only_key(signer).algorithms[0]
    material = jwt.PyJWK(dict(signer), algorithm=algorithm).key
    if algorithm not in SIGNING:
        raise ValueError(f"no tokens are signed with {algorithm}, but with {', '.join(SIGNING)}")
    if not isinstance(material, bytes) and not hasattr(material, "public_key"):
        raise ValueError("the key that signs has no private part")
    return KeySet(
        algorithm=algorithm,
        material=material,
        kid=signer.get("kid"),
        verifying=(*(_only_key(item) for item in items), shared_key(legacy)),
        public=tuple(public_jwk(item) for item in items if item["kty"] != "oct"),
    )


def public_jwk(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the half of an asymmetric JWK that anyone may have."""
    key = _only_key(item)
    algorithm = key.algorithms[0]
    made: dict[str, Any] = get_default_algorithms()[algorithm].to_jwk(key.material, as_dict=True)
    made |= {"alg": algorithm, "use": "sig", "key_ops": ["verify"]}
    return made | ({"kid": key.kid} if key.kid else {})


def make_jwk(algorithm: str) -> dict[str, Any]:
    """Return a fresh private JWK with a random name that verifies only, until it is told to sign.

    ``algorithm`` is one of MADE.
    """
    private = _MAKERS[algorithm]()
    made: dict[str, Any] = get_default_algorithms()[algorithm].to_jwk(private, as_dict=True)
    return made | {"alg": algorithm, "kid": str(uuid4()), "use": "sig", "key_ops": ["verify"]}


def shared_jwk(secret: Secret, *, kid: str = "") -> dict[str, Any]:
    """Return the JWK of a shared secret that signs."""
    made: dict[str, Any] = get_default_algorithms()["HS256"].to_jwk(
        secret.reveal().encode(), as_dict=True
    )
    made |= {"alg": "HS256", "use": "sig", "key_ops": ["sign", "verify"]}
    return made | ({"kid": kid} if kid else {})


def _items(keys: Secret) -> Sequence[Mapping[str, Any]]:
    try:
        items = json.loads(keys.reveal())
    except ValueError:
        raise ValueError("it is not JSON") from None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ValueError("it is no list of JWKs")
    names = [item.get("kid") for item in items]
    if len(set(names)) != len(names):
        raise ValueError("two of its keys have the same kid")
    for place, item in enumerate(items, start=1):
        try:
            _only_key(item)
        except (jwt.PyJWTError, AttributeError, KeyError, TypeError, ValueError):
            # What these say may quote the key.
            raise ValueError(f"its key number {place} cannot be used") from None
    return items


def _only_key(item: Mapping[str, Any]) -> VerifyKey:
    # Without an alg, a key stands for the first algorithm of its kind and size.
    (key,) = jwks_keys({"keys": [item]})
    return VerifyKey(algorithms=key.algorithms[:1], material=key.material, kid=key.kid)
