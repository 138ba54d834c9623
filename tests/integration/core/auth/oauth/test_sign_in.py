"""Sign-in at a provider and back: whole journeys against a certified OpenID Connect provider."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from uuid import uuid4

import jwt
import pytest

from tests.conftest import Database
from tests.integration.core.auth.oauth.conftest import (
    ADMIN,
    CALLBACK,
    NEW,
    SITE,
    Json,
    Start,
    Walker,
    bearer,
    fragment,
    known,
    query,
    rows,
)

VERIFIER = secrets.token_urlsafe(48)
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")
PKCE = {"code_challenge": CHALLENGE.decode(), "code_challenge_method": "s256"}


async def exchange(walker: Walker, code: str, verifier: str = VERIFIER) -> tuple[int, Json]:
    answer = await walker.core.post(
        "/auth/v1/token?grant_type=pkce",
        json={"auth_code": code, "code_verifier": verifier},
        headers=NEW,
    )
    return answer.status_code, answer.json()


async def test_the_implicit_flow_ends_with_a_session_in_the_fragment(
    start: Start, custom: Json, issuer: str
) -> None:
    walker = await start()
    await known(walker, custom)
    there = await walker.authorize("custom:test", "ann", redirect_to=f"{SITE}/in?next=board")
    asked = query(there)
    assert there.startswith(f"{issuer}/auth?")
    assert (asked["client_id"], asked["redirect_uri"]) == ("test-client", CALLBACK)
    assert asked["scope"] == "openid email profile"
    assert asked["code_challenge_method"] == "S256"
    assert "redirect_to" not in asked
    end = await walker.come_back(await walker.visit(there))
    assert end.startswith(f"{SITE}/in?next=board#")
    told = fragment(end)
    assert {"access_token", "refresh_token", "expires_in", "expires_at", "provider_token"} < {*told}
    assert (told["token_type"], told["sb"]) == ("bearer", "")
    user = (await walker.core.get("/auth/v1/user", headers=bearer(told["access_token"]))).json()
    assert user["email"] == "ann@example.com"
    assert user["email_confirmed_at"]
    assert user["app_metadata"] == {"provider": "custom:test", "providers": ["custom:test"]}
    metadata = user["user_metadata"]
    assert (metadata["sub"], metadata["iss"], metadata["name"]) == ("ann", issuer, "Ann Lee")
    assert (metadata["email"], metadata["email_verified"]) == ("ann@example.com", True)
    assert "groups" not in metadata
    (identity,) = user["identities"]
    assert (identity["id"], identity["provider"]) == ("ann", "custom:test")
    claims = jwt.decode(told["access_token"], options={"verify_signature": False})
    assert [item["method"] for item in claims["amr"]] == ["oauth"]


async def test_the_pkce_flow_ends_with_a_code_that_serves_its_verifier_once(
    start: Start, custom: Json
) -> None:
    walker = await start()
    await known(walker, custom)
    end = await walker.walk("custom:test", "ann", redirect_to=f"{SITE}/in?a=1", **PKCE)
    assert end.startswith(f"{SITE}/in?a=1&code=")
    code = query(end)["code"]
    assert (await exchange(walker, code, secrets.token_urlsafe(48)))[1]["code"] == (
        "bad_code_verifier"
    )
    status, session = await exchange(walker, code)
    assert status == 200
    assert session["provider_token"]
    assert session["user"]["email"] == "ann@example.com"
    assert (await exchange(walker, code))[1]["code"] == "flow_state_not_found"


async def test_the_same_person_comes_back_to_the_same_account(
    start: Start, custom: Json, database: Database
) -> None:
    walker = await start()
    await known(walker, custom)
    first = fragment(await walker.walk("custom:test", "ann"))
    again = fragment(await walker.walk("custom:test", "ann"))
    ids = {
        jwt.decode(told["access_token"], options={"verify_signature": False})["sub"]
        for told in (first, again)
    }
    assert len(ids) == 1
    assert len(rows(database, "select from auth.users")) == 1


async def test_keycloak_is_asked_at_its_own_addresses(start: Start, issuer: str) -> None:
    walker = await start()
    there = await walker.authorize("keycloak", "ann", scopes="openid")
    assert there.startswith(f"{issuer}/realms/test/protocol/openid-connect/auth?")
    assert query(there)["scope"] == "profile email openid"
    told = fragment(await walker.come_back(await walker.visit(there)))
    user = (await walker.core.get("/auth/v1/user", headers=bearer(told["access_token"]))).json()
    assert user["app_metadata"]["provider"] == "keycloak"
    assert user["user_metadata"]["full_name"] == "Ann Lee"
    assert user["user_metadata"]["custom_claims"]["groups"] == ["staff"]


async def test_google_is_read_from_its_id_token(start: Start, issuer: str) -> None:
    walker = await start(
        GOTRUE_EXTERNAL_GOOGLE_ENABLED="true",
        GOTRUE_EXTERNAL_GOOGLE_CLIENT_ID="posting,other",
        GOTRUE_EXTERNAL_GOOGLE_SECRET="the-secret-of-a-test-client/+ and %",
        GOTRUE_EXTERNAL_GOOGLE_URL=issuer,
    )
    told = fragment(await walker.walk("google", "ann", scopes="openid"))
    user = (await walker.core.get("/auth/v1/user", headers=bearer(told["access_token"]))).json()
    metadata = user["user_metadata"]
    assert metadata["avatar_url"] == metadata["picture"] == "https://example.com/ann.png"
    assert metadata["provider_id"] == "ann"
    settings = (await walker.core.get("/auth/v1/settings")).json()
    assert (settings["external"]["google"], settings["external"]["github"]) == (True, False)


async def test_what_the_provider_refuses_is_said_in_its_own_words(
    start: Start, custom: Json
) -> None:
    walker = await start()
    await known(walker, custom)
    end = await walker.walk("custom:test", "nobody", redirect_to=f"{SITE}/in?a=1")
    told = {"error": "access_denied", "error_description": "The user said no & left"}
    assert end.startswith(f"{SITE}/in?a=1&error=access_denied&")
    assert query(end) == {"a": "1", **told}
    assert fragment(end) == {**told, "sb": ""}


async def test_a_state_that_is_not_ours_leads_to_the_site(start: Start) -> None:
    """Cross-site request forgery: nobody is signed in by a callback that they did not begin."""
    walker = await start()
    for state, code, said in (
        ("", "bad_oauth_callback", "OAuth state parameter missing"),
        ("x' or 1=1", "bad_oauth_state", "OAuth state parameter is invalid"),
        (str(uuid4()), "bad_oauth_state", "OAuth state not found or expired"),
    ):
        params = {"code": "stolen", "state": state, "redirect_to": "https://evil"}
        answer = await walker.core.get("/auth/v1/callback", params=params)
        assert answer.status_code == 303
        end = answer.headers["location"]
        assert end.startswith(f"{SITE}?")
        assert query(end) == {
            "error": "invalid_request",
            "error_code": code,
            "error_description": said,
        }


@pytest.mark.parametrize("extra", [{}, PKCE])
async def test_a_state_serves_once(start: Start, custom: Json, extra: dict[str, str]) -> None:
    walker = await start()
    await known(walker, custom)
    back = await walker.visit(await walker.authorize("custom:test", "ann", **extra))
    await walker.come_back(back)
    told = query(await walker.come_back(back))
    assert told["error_code"] == ("flow_state_already_used" if extra else "bad_oauth_state")


async def test_of_parallel_callbacks_with_one_state_one_gets_in(start: Start, custom: Json) -> None:
    walker = await start()
    await known(walker, custom)
    back = await walker.visit(await walker.authorize("custom:test", "ann"))
    ends = await asyncio.gather(*(walker.come_back(back) for _ in range(5)))
    assert sum("access_token=" in end for end in ends) == 1


async def test_a_state_lives_for_minutes(start: Start, custom: Json, database: Database) -> None:
    walker = await start()
    await known(walker, custom)
    back = await walker.visit(await walker.authorize("custom:test", "ann"))
    rows(
        database,
        "update auth.flow_state set created_at = now() - interval '301 seconds' returning id",
    )
    told = query(await walker.come_back(back))
    assert told["error_description"] == "OAuth state has expired"


async def test_a_code_of_somebody_elses_journey_is_worth_nothing(
    start: Start, custom: Json
) -> None:
    """Code injection: the provider refuses a code without the verifier that belongs to it."""
    walker = await start()
    await known(walker, custom)
    stolen = query(await walker.visit(await walker.authorize("custom:test", "ann")))["code"]
    own = query(await walker.visit(await walker.authorize("custom:test", "zoe")))["state"]
    end = await walker.come_back(f"{CALLBACK}?code={stolen}&state={own}")
    told = query(end)
    assert told["error"] == "server_error"
    assert told["error_description"] == f"Unable to exchange external code: {stolen[:4]}"
    assert stolen not in end


async def test_a_callback_without_a_code_says_so(start: Start, custom: Json) -> None:
    walker = await start()
    await known(walker, custom)
    state = query(await walker.authorize("custom:test", "ann"))["state"]
    told = query(await walker.come_back(f"{CALLBACK}?state={state}"))
    assert (told["error"], told["error_code"]) == ("invalid_request", "bad_oauth_callback")


async def test_a_callback_may_be_a_form(start: Start, custom: Json) -> None:
    walker = await start()
    await known(walker, custom)
    fields = query(await walker.visit(await walker.authorize("custom:test", "ann")))
    answer = await walker.core.post("/auth/v1/callback", data=fields)
    assert answer.status_code == 302
    assert "access_token" in fragment(answer.headers["location"])


async def test_tokens_never_leave_for_an_address_that_is_not_listed(
    start: Start, custom: Json
) -> None:
    walker = await start()
    await known(walker, custom)
    evil = ("https://evil.example/in", f"{SITE}@evil.example", "//evil.example", "javascript:1")
    for target in evil:
        end = await walker.walk("custom:test", "ann", redirect_to=target)
        assert end.startswith(f"{SITE}#"), target


async def test_a_link_cannot_set_what_the_protocol_needs(start: Start, custom: Json) -> None:
    walker = await start()
    await known(walker, custom)
    reserved = ("client_id", "REDIRECT_URI", "state", "response_type", "client_secret")
    evil = dict.fromkeys(reserved, "evil")
    there = query(await walker.authorize("custom:test", "ann", prompt="login", **evil))
    assert "evil" not in there.values()
    assert there["prompt"] == "login"


async def test_a_provider_that_is_not_offered_is_refused_without_a_redirect(
    start: Start,
) -> None:
    walker = await start()
    for provider, reason in (
        ("github", "provider is not enabled"),
        ("apple", "Provider apple could not be found"),
        ("", "Provider  could not be found"),
        ("custom:none", "custom provider custom:none not found"),
    ):
        answer = await walker.core.get(
            "/auth/v1/authorize", params={"provider": provider}, headers=NEW
        )
        said = {"code": "validation_failed", "message": f"Unsupported provider: {reason}"}
        assert (answer.status_code, answer.json()) == (400, said)


async def test_half_a_pkce_pair_is_refused(start: Start, custom: Json) -> None:
    walker = await start()
    await known(walker, custom)
    query = {"provider": "custom:test", "code_challenge": PKCE["code_challenge"]}
    answer = await walker.core.get("/auth/v1/authorize", params=query, headers=NEW)
    assert answer.json()["message"] == (
        "PKCE flow requires code_challenge_method and code_challenge"
    )


async def test_nobody_new_comes_in_while_sign_ups_are_off(
    start: Start, custom: Json, database: Database
) -> None:
    walker = await start(GOTRUE_DISABLE_SIGNUP="true")
    await known(walker, custom)
    told = query(await walker.walk("custom:test", "ann"))
    assert (told["error"], told["error_code"]) == ("access_denied", "signup_disabled")
    assert rows(database, "select from auth.users") == []


async def test_a_banned_user_stays_out(start: Start, custom: Json, database: Database) -> None:
    walker = await start()
    await known(walker, custom)
    await walker.walk("custom:test", "ann")
    (found,) = rows(database, "select id from auth.users")
    await walker.core.put(
        f"/auth/v1/admin/users/{found[0]}", json={"ban_duration": "1h"}, headers=ADMIN
    )
    told = query(await walker.walk("custom:test", "ann"))
    assert (told["error"], told["error_code"]) == ("access_denied", "user_banned")
