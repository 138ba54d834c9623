"""Key sets: what may sign, what is published, and tokens that try to choose their own key."""

from __future__ import annotations

import base64
import hmac
import json
from hashlib import sha256, sha512
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from gavan.kit.jwt import TokenError, TokenReason, Verifier
from gavan.kit.keyset import MADE, KeySet, make_jwk, public_jwk, read_key_set, shared_jwk
from gavan.kit.secret import Secret

LEGACY = Secret("the-legacy-shared-secret-of-32-bytes")
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}


def signer(algorithm: str = "ES256") -> dict[str, Any]:
    return make_jwk(algorithm) | {"key_ops": ["sign", "verify"]}


def read(*items: Any, kid: str = "") -> KeySet:
    return read_key_set(Secret(json.dumps(items)), legacy=LEGACY, legacy_kid=kid)


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def mac_token(header: object, key: bytes, digest: Any = sha256) -> str:
    signed = f"{part(header)}.{part({'sub': 'mallory', 'role': 'service_role'})}"
    mac = hmac.digest(key, signed.encode(), digest)
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def refusal(keys: KeySet, token: str) -> TokenReason:
    with pytest.raises(TokenError) as caught:
        Verifier(keys.verifying).verify(token)
    return caught.value.reason


@pytest.mark.parametrize("algorithm", MADE)
def test_a_made_key_signs_by_its_name_and_its_public_half_verifies(algorithm: str) -> None:
    item = signer(algorithm)
    keys = read(item)
    token = keys.sign({"sub": "u", "role": "authenticated"})
    assert jwt.get_unverified_header(token) == {
        "alg": algorithm,
        "typ": "JWT",
        "kid": item["kid"],
    }
    assert Verifier(keys.verifying).verify(token).sub == "u"
    (published,) = keys.public
    assert not PRIVATE & set(published)
    assert (published["kid"], published["use"], published["key_ops"], published["alg"]) == (
        item["kid"],
        "sig",
        ["verify"],
        algorithm,
    )
    outside = jwt.PyJWK(dict(published)).key  # as a client does that knows the published set alone
    assert jwt.decode(token, outside, algorithms=[algorithm])["sub"] == "u"


def test_a_shared_secret_in_the_list_signs_and_is_never_published() -> None:
    keys = read(shared_jwk(LEGACY, kid="old"), make_jwk("ES256"))
    token = keys.sign({"sub": "u"})
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT", "kid": "old"}
    assert Verifier(keys.verifying).verify(token).sub == "u"
    assert [item["kty"] for item in keys.public] == ["EC"]


def test_a_rotation_signs_nobody_out() -> None:
    old, new = signer(), signer()
    before = read(old, make_jwk("ES256") | new | {"key_ops": ["verify"]})
    tokens = [before.sign({"sub": "u"})]
    after = read(public_jwk(old), new)
    tokens.append(after.sign({"sub": "u"}))
    for keys in (before, after):
        verifier = Verifier(keys.verifying)
        assert [verifier.verify(token).sub for token in tokens] == ["u", "u"]
    assert refusal(read(new), tokens[0]) is TokenReason.NO_KEY


@pytest.mark.parametrize("header", [{}, {"kid": "legacy"}, {"kid": "of-nobody"}])
def test_tokens_of_the_legacy_secret_stay_good(header: dict[str, str]) -> None:
    keys = read(signer(), kid="legacy")
    token = jwt.encode({"role": "anon"}, LEGACY.reveal(), "HS256", headers=header)
    assert Verifier(keys.verifying).verify(token).role == "anon"


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("named", [True, False])
def test_a_public_key_is_never_taken_for_a_shared_secret(algorithm: str, named: bool) -> None:
    item = signer(algorithm)
    keys = read(item)
    material = keys.verifying[0].material
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    shapes = [
        material.public_bytes(serialization.Encoding.PEM, spki),
        material.public_bytes(serialization.Encoding.DER, spki),
        json.dumps(keys.public[0]).encode(),
    ]
    for key in shapes:
        for alg, digest in (("HS256", sha256), ("HS512", sha512)):
            header = {"alg": alg} | ({"kid": item["kid"]} if named else {})
            reason = refusal(keys, mac_token(header, key, digest))
            assert reason in {TokenReason.SIGNATURE, TokenReason.NO_KEY}


def test_a_token_that_names_a_known_key_is_tried_with_no_other() -> None:
    item = signer()
    keys = read(item)
    token = jwt.encode({}, LEGACY.reveal(), "HS256", headers={"kid": item["kid"]})
    assert refusal(keys, token) is TokenReason.NO_KEY


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
def test_an_unsigned_token_is_refused(alg: str) -> None:
    keys = read(signer())
    payload = part({"role": "service_role"})
    for header in ({"alg": alg}, {"alg": alg, "kid": "x"}):
        assert refusal(keys, f"{part(header)}.{payload}.") in {
            TokenReason.ALGORITHM,
            TokenReason.MALFORMED,
        }


@pytest.mark.parametrize(
    "kid",
    ["../../dev/null", "x' or '1'='1", "", " ", "a\0b", ["k"], {"k": 1}, 1, "k" * 5000],
)
def test_a_name_of_a_key_is_only_ever_compared(kid: object) -> None:
    keys = read(signer())
    for key in (b"", b"\0", str(kid).encode()):
        reason = refusal(keys, mac_token({"alg": "HS256", "kid": kid}, key or b"\0"))
        assert reason in {TokenReason.SIGNATURE, TokenReason.NO_KEY, TokenReason.MALFORMED}


def test_keys_in_the_header_of_a_token_count_for_nothing() -> None:
    own = signer("RS256")
    private = jwt.PyJWK(own).key
    for header in ({"jwk": public_jwk(own)}, {"jku": "https://evil.example/jwks"}, {"x5c": ["x"]}):
        named = header | {"kid": own["kid"]}
        token = jwt.encode({"role": "service_role"}, private, "RS256", headers=named)
        assert refusal(read(signer()), token) is TokenReason.NO_KEY


def test_a_signature_of_the_wrong_size_of_curve_is_refused() -> None:
    small, large = signer("ES256"), signer("ES512")
    token = jwt.encode({}, jwt.PyJWK(large).key, "ES512", headers={"kid": small["kid"]})
    assert refusal(read(small), token) is TokenReason.NO_KEY


@pytest.mark.parametrize(
    ("items", "complaint"),
    [
        ([], "0 of its keys sign"),
        ([make_jwk("ES256")], "0 of its keys sign"),
        ([signer(), signer()], "2 of its keys sign"),
        ([public_jwk(signer()) | {"key_ops": ["sign"]}], "no private part"),
        ([signer() | {"alg": "RS256"}], "key number 1 cannot be used"),
        ([signer() | {"kty": "RSA"}], "key number 1 cannot be used"),
        ([signer() | {"kty": "oct"}], "key number 1 cannot be used"),
        ([signer() | {"crv": "P-521"}], "key number 1 cannot be used"),
        ([signer() | {"use": "enc"}], "key number 1 cannot be used"),
        ([signer(), {"kty": "oct"}], "key number 2 cannot be used"),
        ([signer() | {"kid": "a"}, make_jwk("ES256") | {"kid": "a"}], "the same kid"),
        ([signer("RS256") | {"alg": "PS256"}], "no tokens are signed with PS256"),
        ([1], "no list of JWKs"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_without_a_word_of_the_keys(
    items: list[Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        read(*items)
    private = {item[name] for item in items if isinstance(item, dict) for name in PRIVATE & {*item}}
    assert not any(text in str(caught.value) for text in private)
    assert caught.value.__cause__ is None


def test_a_text_that_is_no_list_is_refused() -> None:
    for text in ("", "x", "{}", '"x"', "null"):
        with pytest.raises(ValueError, match=r"no list|not JSON"):
            read_key_set(Secret(text), legacy=LEGACY)


def test_one_name_for_the_secret_and_a_key_is_refused() -> None:
    item = signer()
    with pytest.raises(ValueError, match="both named"):
        read(item, kid=item["kid"])
