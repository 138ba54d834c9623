"""Signing keys in a whole core: what signs, what is published, and forged tokens at every door."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from gavan.kit.keyset import KeySet, make_jwk, public_jwk, read_key_set, shared_set
from gavan.kit.secret import Secret
from tests.conftest import JWT_SECRET
from tests.integration.core.auth.test_auth import bearer, sign_up
from tests.integration.core.conftest import ANON_KEY, CoreFactory

Json = dict[str, Any]


def keys_of(*items: Json) -> KeySet:
    return read_key_set(Secret(json.dumps(items)), legacy=Secret(JWT_SECRET))


def signer(algorithm: str = "ES256") -> Json:
    return make_jwk(algorithm) | {"key_ops": ["sign", "verify"]}


async def published(client: httpx.AsyncClient) -> list[Json]:
    response = await client.get("/auth/v1/.well-known/jwks.json")
    assert response.headers["Cache-Control"] == "public, max-age=600"
    found: list[Json] = response.json()["keys"]
    return found


async def test_with_a_shared_secret_alone_nothing_is_published(core_factory: CoreFactory) -> None:
    """Trap 57."""
    client = await core_factory("auth")
    assert await published(client) == []
    session = await sign_up(client)
    assert "kid" not in jwt.get_unverified_header(session["access_token"])


async def test_the_name_of_the_shared_secret_is_in_the_header(core_factory: CoreFactory) -> None:
    client = await core_factory("auth", keys=shared_set(Secret(JWT_SECRET), kid="legacy"))
    session = await sign_up(client)
    assert jwt.get_unverified_header(session["access_token"])["kid"] == "legacy"
    assert (await client.get("/auth/v1/user", headers=bearer(session))).status_code == 200


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_a_token_of_a_key_is_good_for_every_service(
    core_factory: CoreFactory, algorithm: str
) -> None:
    item = signer(algorithm)
    client = await core_factory("auth", "rest", keys=keys_of(item))
    session = await sign_up(client)
    token = session["access_token"]
    assert jwt.get_unverified_header(token)["kid"] == item["kid"]
    (key,) = await published(client)
    assert key == public_jwk(item)
    claims = jwt.decode(token, jwt.PyJWK(key).key, algorithms=[algorithm], audience="authenticated")
    assert claims["sub"] == session["user"]["id"]
    assert (await client.get("/auth/v1/user", headers=bearer(session))).status_code == 200
    assert (await client.get("/rest/v1/", headers=bearer(session))).status_code == 200
    legacy = {"Authorization": f"Bearer {ANON_KEY}"}
    assert (await client.get("/rest/v1/", headers=legacy)).status_code == 200


async def test_the_metadata_of_the_issuer_name_its_keys(core_factory: CoreFactory) -> None:
    client = await core_factory("auth", keys=keys_of(signer()))
    response = await client.get("/auth/v1/.well-known/openid-configuration")
    assert response.headers["Cache-Control"] == "public, max-age=600"
    document = response.json()
    assert document["issuer"] == "http://127.0.0.1:54321/auth/v1"
    assert document["jwks_uri"] == f"{document['issuer']}/.well-known/jwks.json"
    assert "registration_endpoint" not in document
    assert (await client.get(document["jwks_uri"])).json()["keys"]


async def test_sessions_outlive_a_rotation(core_factory: CoreFactory) -> None:
    """From the shared secret to a key, and from that key to the next, nobody signs in again."""
    first, second = signer(), signer()
    stages = [
        shared_set(Secret(JWT_SECRET)),
        keys_of(first),
        keys_of(public_jwk(first), second),
    ]
    clients = [await core_factory("auth", keys=stage) for stage in stages]
    session = await sign_up(clients[0])
    earlier = [session]
    for client in clients[1:]:
        for known in earlier:
            assert (await client.get("/auth/v1/user", headers=bearer(known))).status_code == 200
        answer = await client.post(
            "/auth/v1/token?grant_type=refresh_token",
            json={"refresh_token": earlier[-1]["refresh_token"]},
        )
        assert answer.status_code == 200, answer.text
        earlier.append(answer.json())
    names = [jwt.get_unverified_header(known["access_token"]).get("kid") for known in earlier]
    assert names == [None, first["kid"], second["kid"]]


def forged(session: Json, item: Json, **changes: object) -> list[str]:
    """Return the session's token, remade by someone who knows all that is public."""
    claims = jwt.decode(session["access_token"], options={"verify_signature": False}) | changes
    material = keys_of(item).verifying[0].material
    pem = material.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    other = jwt.PyJWK(make_jwk(item["alg"])).key
    named = {"kid": item["kid"]}
    octets = jwt.PyJWK({"kty": "oct", "k": "AA"}, algorithm="HS256").key
    jws = jwt.api_jws.PyJWS()
    payload = json.dumps(claims).encode()
    # PyJWT refuses to use a PEM as secret, an attacker does not.
    jws._algorithms["HS256"].prepare_key = lambda key: key  # type: ignore[method-assign]
    return [
        jws.encode(payload, pem, "HS256"),
        jws.encode(payload, pem, "HS256", headers=named),
        jws.encode(payload, octets, "HS256", headers={"kid": "/dev/null"}),
        jwt.encode(claims, "", "none"),
        jwt.encode(claims, "", "none", headers=named),
        jwt.encode(claims, other, item["alg"], headers=named),
        jwt.encode(claims, other, item["alg"], headers={"jwk": public_jwk(item)}),
    ]


@pytest.mark.filterwarnings("ignore:The HMAC key is:jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_a_forged_token_opens_no_door(core_factory: CoreFactory, algorithm: str) -> None:
    item = signer(algorithm)
    client = await core_factory("auth", "rest", keys=keys_of(item))
    session = await sign_up(client)
    for token in forged(session, item, role="service_role"):
        headers = {"Authorization": f"Bearer {token}"}
        auth = await client.get("/auth/v1/user", headers=headers)
        assert (auth.status_code, auth.json()["error_code"]) == (403, "bad_jwt")
        admin = await client.get("/auth/v1/admin/users", headers=headers)
        assert (admin.status_code, admin.json()["error_code"]) == (403, "bad_jwt")
        rest = await client.get("/rest/v1/", headers=headers)
        assert (rest.status_code, rest.json()["code"]) == (401, "PGRST301")


@pytest.mark.parametrize(
    ("claim", "seconds", "said"),
    [
        ("exp", -31, "token has invalid claims: token is expired"),
        ("nbf", 60, "token has invalid claims: token is not valid yet"),
        ("iat", 60, "token has invalid claims: token used before issued"),
    ],
)
async def test_a_token_out_of_its_time_is_refused(
    core_factory: CoreFactory, claim: str, seconds: int, said: str
) -> None:
    keys = keys_of(signer())
    client = await core_factory("auth", keys=keys)
    session = await sign_up(client)
    claims = jwt.decode(session["access_token"], options={"verify_signature": False})
    token = keys.sign(claims | {claim: int(time.time()) + seconds})
    answer = await client.get("/auth/v1/user", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403
    assert answer.json()["msg"].endswith(said)
