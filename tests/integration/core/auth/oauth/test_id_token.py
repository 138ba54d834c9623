"""The id_token grant: tokens of a real provider, and tokens that only look like them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import pytest

from gavan.kit.keyset import make_jwk, public_jwk
from tests.conftest import Database
from tests.integration.core.auth.oauth.conftest import (
    CALLBACK,
    NEW,
    Json,
    Start,
    Walker,
    bearer,
    known,
    query,
    rows,
    sign_up,
)
from tests.oidc.servers import SECRET, Certificate, Forge, running_forge


async def grant(walker: Walker, token: str = "", **body: Any) -> httpx.Response:
    headers = {**NEW, **bearer(token)} if token else NEW
    return await walker.core.post("/auth/v1/token?grant_type=id_token", json=body, headers=headers)


async def from_provider(issuer: str, walker: Walker, account: str, nonce: str = "") -> Json:
    """Return what an application gets that signs somebody in by itself."""
    verifier = "v" * 43
    digest = hashlib.sha256(verifier.encode()).digest()
    asked = {
        "response_type": "code",
        "client_id": "test-client",
        "redirect_uri": CALLBACK,
        "scope": "openid email profile",
        "login_hint": account,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        **({"nonce": nonce} if nonce else {}),
    }
    back = await walker.visit(str(httpx.URL(f"{issuer}/auth", params=asked)))
    answer = await walker.web.post(
        f"{issuer}/token",
        data={
            "grant_type": "authorization_code",
            "code": query(back)["code"],
            "redirect_uri": CALLBACK,
            "code_verifier": verifier,
        },
        auth=("test-client", "the-secret-of-a-test-client%2F%2B+and+%25"),
    )
    assert answer.status_code == 200, answer.text
    made: Json = answer.json()
    return made


async def test_a_token_of_the_provider_signs_in(start: Start, custom: Json, issuer: str) -> None:
    walker = await start()
    await known(walker, custom)
    nonce = hashlib.sha256(b"once").hexdigest()
    given = await from_provider(issuer, walker, "ann", nonce)
    answer = await grant(
        walker,
        provider="custom:test",
        id_token=given["id_token"],
        access_token=given["access_token"],
        nonce="once",
    )
    assert answer.status_code == 200, answer.text
    user = answer.json()["user"]
    assert (user["email"], user["app_metadata"]["provider"]) == ("ann@example.com", "custom:test")
    assert user["user_metadata"]["aud"] == ["test-client"]


async def test_a_token_links_to_the_account_of_the_bearer(
    start: Start, custom: Json, issuer: str
) -> None:
    walker = await start(GOTRUE_MAILER_AUTOCONFIRM="true")
    await known(walker, custom)
    session = await sign_up(walker, "me@example.com")
    token = (await from_provider(issuer, walker, "bob"))["id_token"]
    wanted: Json = {"provider": "custom:test", "id_token": token, "link_identity": True}
    refused = await grant(walker, **wanted)
    assert refused.status_code in {400, 403}
    answer = await grant(walker, session["access_token"], **wanted)
    assert answer.status_code == 200, answer.text
    user = answer.json()["user"]
    assert user["id"] == session["user"]["id"]
    assert len(user["identities"]) == 2


@dataclass(slots=True)
class Signer:
    """A provider whose key the test has: what it signs is genuine, what it says is up to us."""

    url: str
    key: Json
    forge: Forge

    def token(self, **changes: object) -> str:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": "ann",
            "aud": "mobile",
            "iat": now,
            "exp": now + 300,
            "email": "ann@example.com",
            "email_verified": True,
        }
        stated = {name: value for name, value in (claims | changes).items() if value is not None}
        return self.sign(stated)

    def sign(self, claims: Json, **header: str) -> str:
        named = {"kid": self.key["kid"], **header}
        return jwt.encode(claims, jwt.PyJWK(self.key).key, self.key["alg"], headers=named)


@pytest.fixture
def signer() -> Iterator[Signer]:
    with running_forge() as forge:
        key = make_jwk("RS256")
        forge.documents = {
            "/.well-known/openid-configuration": {
                "issuer": forge.url,
                "authorization_endpoint": f"{forge.url}/a",
                "token_endpoint": f"{forge.url}/t",
                "jwks_uri": f"{forge.url}/keys",
            },
            "/keys": {"keys": [public_jwk(key)]},
        }
        yield Signer(forge.url, key, forge)


def google(signer: Signer) -> dict[str, str]:
    return {
        "GOTRUE_EXTERNAL_GOOGLE_ENABLED": "true",
        "GOTRUE_EXTERNAL_GOOGLE_CLIENT_ID": "web,mobile",
        "GOTRUE_EXTERNAL_GOOGLE_SECRET": SECRET,
        "GOTRUE_EXTERNAL_GOOGLE_URL": signer.url,
    }


async def test_any_client_of_the_stack_may_have_asked_for_it(start: Start, signer: Signer) -> None:
    walker = await start(**google(signer))
    for audience in ("mobile", ["else", "web"]):
        answer = await grant(walker, provider="google", id_token=signer.token(aud=audience))
        assert answer.status_code == 200, answer.text
    by_issuer = await grant(walker, issuer=signer.url, client_id="web", id_token=signer.token())
    assert by_issuer.status_code == 200
    assert len(by_issuer.json()["user"]["identities"]) == 1


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def mac_token(claims: Json, secret: bytes, header: Json) -> str:
    """Return what PyJWT refuses to make: a token with a public key as its shared secret."""
    signed = f"{encoded({'alg': 'HS256', **header})}.{encoded(claims)}"
    mac = hmac.digest(secret, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def forgeries(signer: Signer) -> dict[str, str]:
    """Return tokens that look like the provider's to a careless eye."""
    now = int(time.time())
    good = jwt.decode(signer.token(), options={"verify_signature": False})
    own = make_jwk(signer.key["alg"])
    material = jwt.PyJWK(own).key
    named = {"kid": signer.key["kid"]}
    head, _, mark = signer.token().split(".")
    other = encoded({**good, "sub": "zoe"})
    return {
        "garbage": "garbage",
        "unsigned": jwt.encode(good, "", "none", headers=named),
        "with another key under the same name": jwt.encode(
            good, material, own["alg"], headers=named
        ),
        "with a key in its header": jwt.encode(
            good, material, own["alg"], headers={"jwk": public_jwk(own), "kid": own["kid"]}
        ),
        "with the public key as a shared secret": mac_token(
            good, json.dumps(public_jwk(signer.key)).encode(), named
        ),
        "with a changed payload": f"{head}.{other}.{mark}",
        "of another issuer": signer.token(iss="https://accounts.google.com.evil.example"),
        "that is over": signer.token(exp=now - 31, iat=now - 400),
        "of the future": signer.token(iat=now + 300, exp=now + 600),
        "not good yet": signer.token(nbf=now + 300),
        "that never ends": signer.token(exp=None),
        "of nobody": signer.token(sub=None),
    }


async def test_a_token_that_proves_nothing_signs_nobody_in(
    start: Start, signer: Signer, database: Database
) -> None:
    """Trap 49, and its like."""
    walker = await start(**google(signer))
    refused = {"error": "invalid request", "error_description": "Bad ID token"}
    for kind, token in forgeries(signer).items():
        answer = await grant(walker, provider="google", id_token=token)
        assert (answer.status_code, answer.json()) == (400, refused), kind
    assert rows(database, "select from auth.users") == []


async def test_a_token_for_somebody_elses_client_is_refused(start: Start, signer: Signer) -> None:
    walker = await start(**google(signer))
    for audience in ("other", ["other", "an"], [], "", None):
        answer = await grant(walker, provider="google", id_token=signer.token(aud=audience))
        assert answer.status_code == 400
        assert answer.json()["error_description"].startswith("Unacceptable audience in id_token: [")


async def test_a_replayed_token_misses_its_nonce(start: Start, signer: Signer) -> None:
    walker = await start(**google(signer))
    one_sided = "Passed nonce and nonce in id_token should either both exist or not."
    for told, given, said in (
        (None, "n", one_sided),
        ("n", "", one_sided),
        ("n", "n", "Nonces mismatch"),
        (hashlib.sha256(b"n").hexdigest(), "m", "Nonces mismatch"),
    ):
        token = signer.token(nonce=told)
        answer = await grant(walker, provider="google", id_token=token, nonce=given)
        assert (answer.status_code, answer.json()["error_description"]) == (400, said)


async def test_the_nonce_may_be_left_out_where_that_is_configured(
    start: Start, signer: Signer
) -> None:
    walker = await start(**google(signer), GOTRUE_EXTERNAL_GOOGLE_SKIP_NONCE_CHECK="true")
    token = signer.token(nonce="n")
    assert (await grant(walker, provider="google", id_token=token)).status_code == 200


async def test_an_access_token_has_to_be_the_one_of_the_id_token(
    start: Start, signer: Signer
) -> None:
    walker = await start(**google(signer))
    digest = hashlib.sha256(b"access").digest()[:16]
    token = signer.token(at_hash=base64.urlsafe_b64encode(digest).rstrip(b"=").decode())
    wanted: Json = {"provider": "google", "id_token": token}
    assert (await grant(walker, **wanted, access_token="stolen")).status_code == 400
    assert (await grant(walker, **wanted, access_token="access")).status_code == 200


async def test_a_key_that_is_new_at_the_provider_is_found(start: Start, signer: Signer) -> None:
    walker = await start(**google(signer))
    fresh = make_jwk(signer.key["alg"])
    signer.forge.documents["/keys"] = {"keys": [public_jwk(fresh)]}
    assert (await grant(walker, provider="google", id_token=signer.token())).status_code == 400
    signer.key = fresh
    # The keys were read a moment ago; they are not read again for every token somebody makes up.
    asked = len(signer.forge.asked)
    assert (await grant(walker, provider="google", id_token=signer.token())).status_code == 200
    for _ in range(5):
        made_up = signer.sign({"sub": "x"}, kid="made-up")
        assert (await grant(walker, provider="google", id_token=made_up)).status_code == 400
    assert len(signer.forge.asked) == asked


async def test_what_is_not_offered_is_refused(start: Start) -> None:
    walker = await start()
    foreign = {"issuer": "https://evil.example", "client_id": "y"}
    refused: tuple[tuple[Json, str], ...] = (
        ({}, "invalid request"),
        ({"id_token": "x"}, "invalid request"),
        ({"id_token": "x", "client_id": "y"}, "invalid request"),
        ({"id_token": "x", "provider": "google"}, "provider_disabled"),
        ({"id_token": "x", "provider": "nobody"}, "validation_failed"),
        ({"id_token": "x", "provider": "custom:none"}, "validation_failed"),
        ({"id_token": "x", **foreign}, "validation_failed"),
    )
    for body, code in refused:
        answer = await grant(walker, **body)
        said = answer.json()
        assert (answer.status_code, said.get("code") or said["error"]) == (400, code), body


@contextmanager
def no_server() -> Iterator[str]:
    with running_forge() as forge:
        address = forge.url
    yield address


async def test_a_provider_that_is_gone_is_told_of(start: Start, certificate: Certificate) -> None:
    del certificate
    with no_server() as address:
        gone = Signer(address, make_jwk("ES256"), Forge())
        walker = await start(**google(gone))
        answer = await grant(walker, provider="google", id_token=gone.token())
        assert (answer.status_code, answer.json()["code"]) == (500, "unexpected_failure")
        assert address not in answer.text
