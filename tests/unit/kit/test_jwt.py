"""Tokens: what verifies, what is refused and by which reason."""

from __future__ import annotations

import base64
import hmac
import json
from hashlib import sha256
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from gavan.kit.jwt import (
    CACHE_ENTRIES,
    RSA,
    SHARED,
    TokenError,
    TokenReason,
    Verifier,
    VerifyKey,
    jwks_keys,
    read_keys,
    shared_key,
    sign,
)
from gavan.kit.secret import Secret

SECRET = Secret("a-shared-secret-of-at-least-32-bytes!")
NOW = 1_800_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def raw_token(header: object, payload: object, secret: bytes = SECRET.reveal().encode()) -> str:
    signed = f"{part(header)}.{part(payload)}"
    mac = hmac.digest(secret, signed.encode(), sha256)
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def refuse(verifier: Verifier, token: str) -> TokenError:
    with pytest.raises(TokenError) as caught:
        verifier.verify(token)
    return caught.value


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def verifier(clock: Clock) -> Verifier:
    return Verifier([shared_key(SECRET)], clock=clock)


def test_a_signed_token_gives_its_claims(verifier: Verifier) -> None:
    token = sign({"role": "authenticated", "sub": "u1", "exp": NOW + 5, "x": "é"}, SECRET)
    claims = verifier.verify(token)
    assert (claims.role, claims.sub) == ("authenticated", "u1")
    assert json.loads(claims.json) == dict(claims.raw)
    assert claims.raw["x"] == "é"


def test_a_token_without_role_or_sub_leaves_them_none(verifier: Verifier) -> None:
    claims = verifier.verify(sign({"iss": "x"}, SECRET))
    assert (claims.role, claims.sub) == (None, None)


def test_a_role_that_is_no_string_counts_by_its_json_text(verifier: Verifier) -> None:
    claims = verifier.verify(raw_token({"alg": "HS256"}, {"role": {"a": [1]}}))
    assert claims.role == '{"a":[1]}'
    assert json.loads(claims.json)["role"] == '{"a":[1]}'


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "nOnE", "", None, "HS384", "PS256", "ES256K"]
)
def test_other_algorithms_are_refused_even_with_a_good_mac(
    verifier: Verifier, algorithm: str | None
) -> None:
    for token in (
        raw_token({"alg": algorithm}, {"role": "service_role"}),
        f"{part({'alg': algorithm})}.{part({'role': 'service_role'})}.",
    ):
        assert refuse(verifier, token).reason in {
            TokenReason.ALGORITHM,
            TokenReason.MALFORMED,
            TokenReason.NO_KEY,
        }


def test_a_token_without_algorithm_is_refused(verifier: Verifier) -> None:
    assert refuse(verifier, raw_token({}, {})).reason is TokenReason.ALGORITHM


def test_an_unsigned_token_is_named_in_the_details(verifier: Verifier) -> None:
    error = refuse(verifier, f"{part({'alg': 'none'})}.{part({})}.")
    assert error.message == "Wrong or unsupported encoding algorithm"
    assert error.details == "JWT is unsecured but expected 'alg' was not 'none'"


def test_a_public_key_is_never_a_shared_secret() -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = private.public_key()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    verifier = Verifier([VerifyKey(algorithms=("RS256",), material=public)])
    forged = raw_token({"alg": "HS256"}, {"role": "service_role"}, pem)
    assert refuse(verifier, forged).reason is TokenReason.NO_KEY


def test_a_signature_of_another_secret_is_refused(verifier: Verifier) -> None:
    token = sign({"role": "service_role"}, Secret("another-secret-of-at-least-32-bytes!!"))
    assert refuse(verifier, token).reason is TokenReason.SIGNATURE


def test_a_changed_payload_is_refused(verifier: Verifier) -> None:
    head, _, mac = sign({"role": "anon"}, SECRET).split(".")
    forged = f"{head}.{part({'role': 'service_role'})}.{mac}"
    assert refuse(verifier, forged).reason is TokenReason.SIGNATURE


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("", "Empty JWT is sent in Authorization header"),
        ("a", "Expected 3 parts in JWT; got 1"),
        ("a.b", "Expected 3 parts in JWT; got 2"),
        ("a.b.c.d", "Expected 3 parts in JWT; got 4"),
    ],
)
def test_the_form_is_checked_before_cryptography(
    verifier: Verifier, token: str, message: str
) -> None:
    assert refuse(verifier, token).message == message


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_garbage_is_always_a_token_error(head: str, body: str, mac: str) -> None:
    refuse(Verifier([shared_key(SECRET)]), f"{head}.{body}.{mac}")


@pytest.mark.parametrize("payload", [[], "text", 3, None])
def test_a_payload_that_is_no_object_is_refused(verifier: Verifier, payload: object) -> None:
    assert refuse(verifier, raw_token({"alg": "HS256"}, payload)).reason is TokenReason.PAYLOAD


def test_a_payload_with_nan_is_refused(verifier: Verifier) -> None:
    token = raw_token({"alg": "HS256"}, {"x": float("nan")})
    assert refuse(verifier, token).message == "Parsing claims failed"


@pytest.mark.parametrize(
    ("claim", "good", "bad", "reason"),
    [
        ("exp", NOW - 30, NOW - 31, TokenReason.EXPIRED),
        ("nbf", NOW + 30, NOW + 31, TokenReason.NOT_YET_VALID),
        ("iat", NOW + 30, NOW + 31, TokenReason.ISSUED_IN_FUTURE),
    ],
)
def test_times_allow_thirty_seconds_of_skew(
    verifier: Verifier, claim: str, good: float, bad: float, reason: TokenReason
) -> None:
    verifier.verify(sign({claim: int(good)}, SECRET))
    assert refuse(verifier, sign({claim: int(bad)}, SECRET)).reason is reason


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", ["1800000000", True, [], {}])
def test_a_time_must_be_a_number(verifier: Verifier, claim: str, value: object) -> None:
    error = refuse(verifier, raw_token({"alg": "HS256"}, {claim: value}))
    assert error.message == f"The JWT '{claim}' claim must be a number"


def test_a_null_time_is_absent_and_a_fraction_is_floored(verifier: Verifier) -> None:
    verifier.verify(raw_token({"alg": "HS256"}, {"exp": None, "nbf": NOW + 30.9}))


def test_an_infinite_expiry_counts_as_expired(verifier: Verifier) -> None:
    token = raw_token({"alg": "HS256"}, {})
    head, _, _ = token.split(".")
    body = base64.urlsafe_b64encode(b'{"exp":1e999}').rstrip(b"=").decode()
    mac = hmac.digest(SECRET.reveal().encode(), f"{head}.{body}".encode(), sha256)
    token = f"{head}.{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    assert refuse(verifier, token).reason is TokenReason.EXPIRED


def test_a_cached_token_still_expires(verifier: Verifier, clock: Clock) -> None:
    token = sign({"exp": int(NOW) + 60}, SECRET)
    first = verifier.verify(token)
    assert verifier.verify(token) is first
    clock.now = NOW + 91
    assert refuse(verifier, token).reason is TokenReason.EXPIRED


def test_the_cache_is_bounded(verifier: Verifier) -> None:
    for number in range(CACHE_ENTRIES + 50):
        verifier.verify(sign({"n": number}, SECRET))
    assert len(verifier._cache) == CACHE_ENTRIES


@pytest.mark.parametrize(
    ("aud", "message"),
    [
        ("other", "JWT not in audience"),
        ("", "JWT not in audience"),
        (["a", "b"], "JWT not in audience"),
        (5, "The JWT 'aud' claim must be a string or an array of strings"),
        (["me", 5], "The JWT 'aud' claim must be a string or an array of strings"),
    ],
)
def test_a_wrong_audience_is_refused(aud: object, message: str) -> None:
    verifier = Verifier([shared_key(SECRET)], audience="me")
    assert refuse(verifier, raw_token({"alg": "HS256"}, {"aud": aud})).message == message


@pytest.mark.parametrize("aud", ["me", ["x", "me"], [], None])
def test_a_fitting_or_absent_audience_passes(aud: object) -> None:
    verifier = Verifier([shared_key(SECRET)], audience="me")
    verifier.verify(raw_token({"alg": "HS256"}, {"aud": aud}))


@pytest.mark.parametrize("aud", ["", "any", [""]])
def test_any_audience_passes_where_none_is_wanted(verifier: Verifier, aud: object) -> None:
    verifier.verify(raw_token({"alg": "HS256"}, {"aud": aud}))


def jwk(key: Any, algorithm: str, kid: str) -> dict[str, Any]:
    made = (RSAAlgorithm if algorithm == "RS256" else ECAlgorithm).to_jwk(key, as_dict=True)
    return {**made, "alg": algorithm, "kid": kid}


def public_jwk(key: Any) -> dict[str, Any]:
    """Return a JWK without ``alg``: only the kind of the key bounds its use."""
    forms: dict[str, Any] = {"RSA": RSAAlgorithm, "EC": ECAlgorithm, "Ed": OKPAlgorithm}
    form = next(form for name, form in forms.items() if type(key).__name__.startswith(name))
    return dict(form.to_jwk(key.public_key(), as_dict=True))


LONG = "k" * 64
KEYS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (rsa.generate_private_key(public_exponent=65537, key_size=2048), RSA),
    (ec.generate_private_key(ec.SECP256R1()), ("ES256",)),
    (ec.generate_private_key(ec.SECP384R1()), ("ES384",)),
    (ec.generate_private_key(ec.SECP521R1()), ("ES512",)),
    (ed25519.Ed25519PrivateKey.generate(), ("EdDSA",)),
)
OCT = {"kty": "oct", "k": base64.urlsafe_b64encode(LONG.encode()).decode()}


def test_every_algorithm_of_a_key_without_alg_verifies_and_no_other() -> None:
    for key, algorithms in KEYS:
        (found,) = jwks_keys({"keys": [public_jwk(key)]})
        assert found.algorithms == algorithms
        for algorithm in algorithms:
            token = jwt.encode({"sub": algorithm}, key, algorithm=algorithm)
            assert Verifier([found]).verify(token).sub == algorithm
    (shared,) = jwks_keys({"keys": [OCT]})
    for algorithm in SHARED:
        token = jwt.encode({"sub": algorithm}, LONG, algorithm=algorithm)
        assert Verifier([shared]).verify(token).sub == algorithm


def test_the_alg_of_a_key_forbids_its_other_algorithms() -> None:
    key, _ = KEYS[0]
    verifier = Verifier(jwks_keys({"keys": [{**public_jwk(key), "alg": "RS256"}]}))
    verifier.verify(jwt.encode({}, key, algorithm="RS256"))
    for other in ("RS512", "PS256"):
        assert refuse(verifier, jwt.encode({}, key, algorithm=other)).reason is TokenReason.NO_KEY


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_no_public_key_of_a_set_is_taken_for_a_secret(algorithm: str) -> None:
    for key, _ in KEYS:
        verifier = Verifier(jwks_keys({"keys": [public_jwk(key)]}))
        for form in (
            json.dumps(public_jwk(key)).encode(),
            key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            ),
        ):
            signed = f"{part({'alg': algorithm})}.{part({'role': 'service_role'})}"
            mac = hmac.digest(form, signed.encode(), f"sha{algorithm[2:]}")
            forged = f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
            assert refuse(verifier, forged).reason is TokenReason.NO_KEY


def test_keys_for_encryption_and_unknown_kinds_are_left_out_of_a_set() -> None:
    rsa_key, _ = KEYS[0]
    odd = {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}
    unknown = [{"kty": "XYZ"}, odd, {**OCT, "alg": "A256KW"}, {**public_jwk(rsa_key), "use": "enc"}]
    assert jwks_keys({"keys": unknown}) == ()


def test_a_text_secret_verifies_hs256_only() -> None:
    (key,) = read_keys(Secret(LONG))
    token = jwt.encode({}, LONG, algorithm="HS512")
    assert refuse(Verifier([key]), token).reason is TokenReason.NO_KEY


def test_a_wrong_signature_reads_like_a_missing_key() -> None:
    error = refuse(Verifier([shared_key(SECRET)]), jwt.encode({}, LONG, algorithm="HS256"))
    assert error.message == "No suitable key or wrong key type"
    assert error.details == "None of the keys was able to decode the JWT"


def test_a_key_set_verifies_by_kid_and_beside_the_shared_secret() -> None:
    first, second = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    keys = jwks_keys(
        {
            "keys": [
                jwk(first.public_key(), "ES256", "one"),
                jwk(second, "ES256", "two"),
                jwk(rsa_key.public_key(), "RS256", "three"),
            ]
        }
    )
    verifier = Verifier([*keys, shared_key(SECRET)])
    for key, algorithm, kid in (
        (first, "ES256", "one"),
        (second, "ES256", "two"),
        (rsa_key, "RS256", "three"),
    ):
        verifier.verify(jwt.encode({"sub": kid}, key, algorithm=algorithm, headers={"kid": kid}))
    verifier.verify(sign({"sub": "legacy"}, SECRET))
    crossed = jwt.encode({"sub": "x"}, first, algorithm="ES256", headers={"kid": "two"})
    assert refuse(verifier, crossed).reason is TokenReason.SIGNATURE
    unknown = jwt.encode({"sub": "x"}, first, algorithm="ES256", headers={"kid": "nine"})
    assert refuse(verifier, unknown).reason is TokenReason.NO_KEY


def test_a_private_key_in_the_set_signs_and_its_public_half_verifies() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    token = sign({"sub": "u"}, Secret(pem.decode()), algorithm="ES256", kid="k")
    assert Verifier(jwks_keys({"keys": [jwk(key, "ES256", "k")]})).verify(token).sub == "u"
