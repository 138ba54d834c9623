"""The auth service against a real Postgres: sign-up, grants, reuse rules, users, sign-out."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import bcrypt
import httpx
import pytest
import pytest_asyncio

from gavan.database.pool import Pool
from gavan.database.session import Session, Statement
from gavan.kit.jwt import Verifier, shared_key, sign
from gavan.kit.secret import Secret
from tests.conftest import JWT_SECRET, Database
from tests.integration.core.conftest import ANON_KEY, CoreFactory

PASSWORD = "correct horse"
NEW = {"X-Supabase-Api-Version": "2024-01-01"}
Json = dict[str, Any]


@pytest_asyncio.fixture
async def client(core_factory: CoreFactory) -> AsyncIterator[httpx.AsyncClient]:
    yield await core_factory("auth")


def bearer(session: Json) -> dict[str, str]:
    return {"Authorization": f"Bearer {session['access_token']}"}


async def sign_up(client: httpx.AsyncClient, email: str = "a@example.com", **more: Any) -> Json:
    response = await client.post(
        "/auth/v1/signup", json={"email": email, "password": PASSWORD, **more}
    )
    assert response.status_code == 200, response.text
    body: Json = response.json()
    return body


async def grant(client: httpx.AsyncClient, kind: str, **body: Any) -> httpx.Response:
    return await client.post(f"/auth/v1/token?grant_type={kind}", json=body, headers=NEW)


async def refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await grant(client, "refresh_token", refresh_token=token)


async def test_sign_up_gives_a_session_and_the_stored_shape(
    client: httpx.AsyncClient, database: Database
) -> None:
    session = await sign_up(client, "New.User@Example.com", data={"name": "Ann", "sub": "x"})
    user = session["user"]
    assert session["token_type"] == "bearer"
    assert session["expires_in"] == 3600
    assert re.fullmatch("[a-z0-9]{12}", session["refresh_token"])
    assert user["email"] == "new.user@example.com"
    assert (user["phone"], user["role"], user["aud"]) == ("", "authenticated", "authenticated")
    assert user["app_metadata"] == {"provider": "email", "providers": ["email"]}
    assert user["user_metadata"] == {
        "name": "Ann",
        "sub": user["id"],
        "email": "new.user@example.com",
        "email_verified": True,
        "phone_verified": False,
    }
    (identity,) = user["identities"]
    assert (identity["provider"], identity["id"]) == ("email", user["id"])
    assert user["email_confirmed_at"].endswith("Z")
    with database.connect("supabase_admin") as connection:
        row = connection.execute("select encrypted_password from auth.users").fetchone()
    assert row is not None
    assert row[0].startswith("$2b$10$")


async def test_the_access_token_says_who_and_how(client: httpx.AsyncClient) -> None:
    session = await sign_up(client)
    claims = Verifier([shared_key(Secret(JWT_SECRET))]).verify(session["access_token"]).raw
    assert set(claims) == {
        *("iss", "sub", "aud", "exp", "iat", "email", "phone", "app_metadata"),
        *("user_metadata", "role", "aal", "amr", "session_id", "is_anonymous"),
    }
    assert claims["iss"] == "http://127.0.0.1:54321/auth/v1"
    assert claims["sub"] == session["user"]["id"]
    assert (claims["role"], claims["aal"], claims["aud"]) == (
        "authenticated",
        "aal1",
        "authenticated",
    )
    assert claims["exp"] == session["expires_at"]
    amr: Any = claims["amr"]
    assert [item["method"] for item in amr] == ["password"]


async def test_signing_up_twice_is_refused(client: httpx.AsyncClient) -> None:
    """Trap 2."""
    await sign_up(client)
    again = await client.post(
        "/auth/v1/signup", json={"email": "A@Example.com", "password": PASSWORD}, headers=NEW
    )
    assert again.status_code == 422
    assert again.json() == {"code": "user_already_exists", "message": "User already registered"}


async def test_parallel_sign_ups_of_one_address_make_one_user(client: httpx.AsyncClient) -> None:
    body = {"email": "a@example.com", "password": PASSWORD}
    answers = await asyncio.gather(*(client.post("/auth/v1/signup", json=body) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, *[422] * 5]


@pytest.mark.parametrize(
    ("body", "status", "code", "text"),
    [
        ({}, 422, "anonymous_provider_disabled", "Anonymous sign-ins are disabled"),
        ({"email": "a@b.co"}, 400, "validation_failed", "Signup requires a valid password"),
        (
            {"email": "a@b.co", "phone": "1", "password": "123456"},
            400,
            "validation_failed",
            "Only an",
        ),
        ({"email": "a@b.co", "password": "123"}, 422, "weak_password", "at least 6 characters"),
        ({"email": "a@b.co", "password": "x" * 73}, 400, "validation_failed", "longer than 72"),
        (
            {"email": "a@b.co", "password": "123456", "code_challenge": "x"},
            400,
            "validation_failed",
            "PKCE flow",
        ),
        (
            {"phone": "15550001", "password": "123456"},
            400,
            "phone_provider_disabled",
            "Phone signups",
        ),
        (
            {"email": "xx", "password": "123456"},
            400,
            "validation_failed",
            "Unable to validate email address: invalid format",
        ),
        (
            {"email": "a@b.co\r\nx: y", "password": "123456"},
            400,
            "validation_failed",
            "invalid format",
        ),
        ({"email": 5, "password": "123456"}, 400, "bad_json", "email must be a string"),
        ({"email": "a@b.co", "password": "1234\x0056"}, 400, "bad_json", "NUL"),
        ({"email": "a@b.co", "password": "123456", "data": [1]}, 400, "bad_json", "data must be"),
    ],
)
async def test_a_bad_sign_up_is_refused_in_order(
    client: httpx.AsyncClient, body: Json, status: int, code: str, text: str
) -> None:
    """Traps 4 and 5."""
    response = await client.post("/auth/v1/signup", json=body, headers=NEW)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert text in response.json()["message"]


async def test_a_weak_password_gives_its_reasons_in_both_versions(
    client: httpx.AsyncClient,
) -> None:
    body = {"email": "a@b.co", "password": "123"}
    for headers in ({}, NEW):
        response = await client.post("/auth/v1/signup", json=body, headers=headers)
        assert response.json()["weak_password"] == {"reasons": ["length"]}


async def test_disabled_sign_ups_are_refused_before_anything_else(
    core_factory: CoreFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap 3."""
    monkeypatch.setenv("GOTRUE_DISABLE_SIGNUP", "true")
    client = await core_factory("auth")
    response = await client.post("/auth/v1/signup", content=b"")
    assert (response.status_code, response.json()["error_code"]) == (422, "signup_disabled")
    assert (await client.get("/auth/v1/settings")).json()["disable_signup"] is True


async def test_the_error_shape_follows_the_version_header(client: httpx.AsyncClient) -> None:
    """Trap 55."""
    old = await client.post("/auth/v1/signup", json={})
    assert set(old.json()) == {"code", "error_code", "msg"}
    assert (old.json()["code"], old.headers["x-sb-error-code"]) == (
        422,
        "anonymous_provider_disabled",
    )
    assert "x-supabase-api-version" not in old.headers
    new = await client.post("/auth/v1/signup", json={}, headers=NEW)
    assert set(new.json()) == {"code", "message"}
    assert new.headers["x-supabase-api-version"] == "2024-01-01"


async def test_an_insert_trigger_runs_in_the_sign_up(
    client: httpx.AsyncClient, database: Database
) -> None:
    with database.connect() as connection:
        connection.execute(
            "create table profile (id uuid primary key references auth.users on delete cascade,"
            " name text not null);"
            "create function profile() returns trigger language plpgsql security definer"
            " set search_path = '' as $$ begin insert into public.profile values"
            " (new.id, new.raw_user_meta_data ->> 'name'); return new; end $$;"
            "create trigger made after insert on auth.users for each row execute function profile()"
        )
        session = await sign_up(client, data={"name": "Ann"})
        rows = connection.execute("select id::text, name from profile").fetchall()
        assert rows == [(session["user"]["id"], "Ann")]
        body = {"email": "b@example.com", "password": PASSWORD}
        failed = await client.post("/auth/v1/signup", json=body, headers=NEW)
        assert failed.status_code == 500
        assert failed.json()["message"] == "Database error saving new user"
        old = await client.post("/auth/v1/signup", json=body)
        assert (old.status_code, old.json()["code"]) == (500, "23502")
        with database.connect("supabase_admin") as admin:
            assert admin.execute("select count(*) from auth.users").fetchone() == (1,)


async def test_a_password_signs_in(client: httpx.AsyncClient) -> None:
    first = await sign_up(client)
    second = (await grant(client, "password", email="A@example.com", password=PASSWORD)).json()
    assert second["user"]["id"] == first["user"]["id"]
    assert second["refresh_token"] != first["refresh_token"]
    assert second["user"]["last_sign_in_at"]


async def test_an_unknown_user_and_a_wrong_password_answer_alike(
    client: httpx.AsyncClient,
) -> None:
    """Trap 31."""
    await sign_up(client)
    answers = [
        await grant(client, "password", email=email, password=password)
        for email, password in (
            ("a@example.com", "wrong"),
            ("nobody@example.com", PASSWORD),
            ("a@example.com", ""),
            ("a@example.com", "x" * 100),
        )
    ]
    assert {answer.status_code for answer in answers} == {400}
    assert {answer.text for answer in answers} == {
        '{"code":"invalid_credentials","message":"Invalid login credentials"}'
    }


async def test_a_seeded_user_signs_in(client: httpx.AsyncClient, database: Database) -> None:
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4, prefix=b"2a")).decode()
    with database.connect("supabase_admin") as connection:
        connection.execute(
            "insert into auth.users (id, email, encrypted_password, email_confirmed_at)"
            " values (gen_random_uuid(), 'seed@example.com', %s, now())",
            (hashed,),
        )
    session = (await grant(client, "password", email="Seed@example.com", password=PASSWORD)).json()
    assert session["user"]["role"] == "authenticated"
    assert session["user"]["identities"] == []
    assert (await refresh(client, session["refresh_token"])).status_code == 200


async def test_an_unconfirmed_user_learns_it_only_with_the_right_password(
    client: httpx.AsyncClient, database: Database
) -> None:
    """Trap 32."""
    await sign_up(client)
    with database.connect("supabase_admin") as connection:
        connection.execute("update auth.users set email_confirmed_at = null")
    wrong = await grant(client, "password", email="a@example.com", password="wrong")
    right = await grant(client, "password", email="a@example.com", password=PASSWORD)
    assert wrong.json()["code"] == "invalid_credentials"
    assert right.json()["code"] == "email_not_confirmed"


async def test_a_banned_user_is_refused_everywhere(
    client: httpx.AsyncClient, database: Database
) -> None:
    """Trap 29 among them."""
    session = await sign_up(client)
    with database.connect("supabase_admin") as connection:
        connection.execute("update auth.users set banned_until = now() + interval '1 hour'")
    login = await grant(client, "password", email="a@example.com", password="wrong")
    assert (login.status_code, login.json()["code"]) == (400, "user_banned")
    again = await refresh(client, session["refresh_token"])
    assert (again.status_code, again.json()["code"]) == (400, "user_banned")
    seen = await client.get("/auth/v1/user", headers=bearer(session))
    assert (seen.status_code, seen.json()["error_code"]) == (403, "user_banned")


async def test_a_refresh_rotates_the_token_and_keeps_the_session(client: httpx.AsyncClient) -> None:
    first = await sign_up(client)
    second = (await refresh(client, first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    verifier = Verifier([shared_key(Secret(JWT_SECRET))])
    before, after = (verifier.verify(s["access_token"]).raw for s in (first, second))
    assert before["session_id"] == after["session_id"]
    assert before["amr"] == after["amr"]


async def test_the_parent_of_the_active_token_gets_that_same_token(
    client: httpx.AsyncClient,
) -> None:
    """Trap 25."""
    first = await sign_up(client)
    second = (await refresh(client, first["refresh_token"])).json()
    again = await refresh(client, first["refresh_token"])
    assert again.status_code == 200
    assert again.json()["refresh_token"] == second["refresh_token"]


async def test_reuse_of_a_grandparent_ends_the_session(
    core_factory: CoreFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap 26."""
    monkeypatch.setenv("GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL", "0")
    client = await core_factory("auth")
    first = await sign_up(client)
    second = (await refresh(client, first["refresh_token"])).json()
    third = (await refresh(client, second["refresh_token"])).json()
    stolen = await refresh(client, first["refresh_token"])
    assert (stolen.status_code, stolen.json()["code"]) == (400, "refresh_token_already_used")
    assert stolen.json()["message"] == "Invalid Refresh Token: Already Used"
    assert (await refresh(client, third["refresh_token"])).status_code == 400


async def test_reuse_of_a_grandparent_within_the_interval_is_forgiven(
    client: httpx.AsyncClient,
) -> None:
    first = await sign_up(client)
    second = (await refresh(client, first["refresh_token"])).json()
    third = (await refresh(client, second["refresh_token"])).json()
    forgiven = await refresh(client, first["refresh_token"])
    assert forgiven.status_code == 200
    assert (await refresh(client, third["refresh_token"])).status_code == 200


async def test_parallel_refreshes_make_one_new_generation(
    core_factory: CoreFactory, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap 27."""
    monkeypatch.setenv("GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL", "0")
    client = await core_factory("auth")
    session = await sign_up(client)
    answers = await asyncio.gather(*(refresh(client, session["refresh_token"]) for _ in range(12)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    with database.connect("supabase_admin") as connection:
        count = connection.execute("select count(*) from auth.refresh_tokens").fetchone()
    assert count == (2,)


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("not-a-token", "validation_failed"),
        ("", "validation_failed"),
        ("aaaaaaaaaaaa'", "validation_failed"),
        ("aaaaaaaaaaaa", "refresh_token_not_found"),
    ],
)
async def test_an_unknown_refresh_token_is_a_400(
    client: httpx.AsyncClient, token: str, code: str
) -> None:
    """Trap 28."""
    response = await refresh(client, token)
    assert (response.status_code, response.json()["code"]) == (400, code)


async def test_a_session_past_its_end_is_expired(
    client: httpx.AsyncClient, database: Database
) -> None:
    session = await sign_up(client)
    with database.connect("supabase_admin") as connection:
        connection.execute("update auth.sessions set not_after = now() - interval '1 s'")
    response = await refresh(client, session["refresh_token"])
    assert response.json()["code"] == "session_expired"


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("pkce", 404, "flow_state_not_found"),
        ("web3", 422, "web3_provider_disabled"),
        ("magic", 400, "invalid_credentials"),
        ("", 400, "invalid_credentials"),
    ],
)
async def test_other_grants_answer_as_switched_off(
    client: httpx.AsyncClient, kind: str, status: int, code: str
) -> None:
    """Trap 50 among them."""
    response = await grant(client, kind, auth_code="x", code_verifier="y")
    assert (response.status_code, response.json()["code"]) == (status, code)


async def test_the_user_of_a_bearer_is_shown(client: httpx.AsyncClient) -> None:
    session = await sign_up(client)
    response = await client.get("/auth/v1/user", headers=bearer(session))
    assert response.json() == session["user"]


@pytest.mark.parametrize(
    ("scope", "own_lives", "other_lives"),
    [("global", False, False), ("local", False, True), ("others", True, False), ("", False, False)],
)
async def test_sign_out_ends_the_sessions_of_its_scope(
    client: httpx.AsyncClient, scope: str, own_lives: bool, other_lives: bool
) -> None:
    """Trap 15."""
    own = await sign_up(client)
    other = (await grant(client, "password", email="a@example.com", password=PASSWORD)).json()
    done = await client.post(f"/auth/v1/logout?scope={scope}", headers=bearer(own))
    assert (done.status_code, done.content) == (204, b"")
    for session, lives in ((own, own_lives), (other, other_lives)):
        seen = await client.get("/auth/v1/user", headers=bearer(session) | NEW)
        assert seen.status_code == (200 if lives else 403)
        if not lives:
            assert seen.json()["code"] == "session_not_found"


async def test_an_unknown_sign_out_scope_is_refused(client: httpx.AsyncClient) -> None:
    session = await sign_up(client)
    response = await client.post("/auth/v1/logout?scope=planet", headers=bearer(session))
    assert (response.status_code, response.json()["error_code"]) == (400, "validation_failed")


def token_of(**claims: Any) -> str:
    return sign(claims, Secret(JWT_SECRET))


@pytest.mark.parametrize(
    ("token", "status", "code", "start"),
    [
        ("", 401, "no_authorization", "This endpoint requires a valid Bearer token"),
        ("a b", 401, "no_authorization", "This endpoint requires"),
        ("this-is-a-bad-token", 403, "bad_jwt", "invalid JWT: unable to parse or verify"),
        (token_of(sub="x", exp=1), 403, "bad_jwt", "invalid JWT"),
        (sign({"sub": "x"}, Secret("y" * 40)), 403, "bad_jwt", "invalid JWT"),
        (ANON_KEY, 403, "bad_jwt", "invalid claim: missing sub claim"),
        (token_of(sub="1234567890"), 400, "bad_jwt", "invalid claim"),
        (
            token_of(sub="6f9619ff-8b86-d011-b42d-00cf4fc964ff"),
            403,
            "user_not_found",
            "User from sub claim",
        ),
    ],
)
async def test_a_bearer_that_does_not_hold_is_refused(
    client: httpx.AsyncClient, token: str, status: int, code: str, start: str
) -> None:
    """Traps 13 and 14."""
    response = await client.post(
        "/auth/v1/logout", headers=NEW | {"Authorization": f"Bearer {token}"}
    )
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.json()["message"].startswith(start)


async def test_fixed_pages(client: httpx.AsyncClient) -> None:
    assert (await client.get("/auth/v1/health")).json()["name"] == "GoTrue"
    jwks = await client.get("/auth/v1/.well-known/jwks.json")
    assert jwks.json() == {"keys": []}
    assert jwks.headers["cache-control"] == "public, max-age=600"
    settings = (await client.get("/auth/v1/settings")).json()
    assert settings["mailer_autoconfirm"] is True
    assert len(settings["external"]) == 26
    unknown = await client.get("/auth/v1/nothing")
    assert (unknown.status_code, unknown.text) == (404, "404 page not found\n")
    wrong = await client.delete("/auth/v1/signup")
    assert (wrong.status_code, wrong.content) == (405, b"")


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"[]", {}, 400),
        (b'{"email":"a@b.co","password":"\xff\xfe"}', {}, 400),
        (
            b"email=a@b.co&password=123456",
            {"content-type": "application/x-www-form-urlencoded"},
            400,
        ),
        (b"[" * 100_000, {}, 400),
        (b'{"x":"' + b"y" * 2_000_000 + b'"}', {}, 413),
        (b" " * 10_000_000, {}, 413),
    ],
)
async def test_garbage_gets_an_error_of_the_protocol_and_the_next_request_is_fine(
    client: httpx.AsyncClient, content: bytes, headers: dict[str, str], status: int
) -> None:
    for path in ("/auth/v1/signup", "/auth/v1/token?grant_type=password"):
        response = await client.post(path, content=content, headers=headers)
        assert response.status_code == status
        assert "Traceback" not in response.text
        json.loads(response.text)
    await sign_up(client)


async def test_two_users_see_only_their_rows_through_auth_uid(
    client: httpx.AsyncClient, database: Database
) -> None:
    with database.connect() as connection:
        connection.execute(
            "create table note (owner uuid default auth.uid(), text text);"
            "alter table note enable row level security;"
            "create policy own on note to authenticated"
            " using (owner = auth.uid()) with check (owner = auth.uid())"
        )
    verifier = Verifier([shared_key(Secret(JWT_SECRET))])
    pool = Pool(Secret(database.url("authenticator")), size=2)
    await pool.open()
    sessions = {}
    for email in ("a@example.com", "b@example.com"):
        claims = verifier.verify((await sign_up(client, email))["access_token"])
        acting = Session(role=claims.role or "", settings=(("request.jwt.claims", claims.json),))
        sessions[email] = acting
        await pool.run(
            acting, Statement(text="insert into note (text) values ($1)", params=(email.encode(),))
        )
    for email, acting in sessions.items():
        rows = await pool.run(acting, Statement(text="select text from note"))
        assert rows.values == [(email.encode(),)]
    await pool.close()


@pytest.mark.parametrize(
    "email", ["\u212a@example.com", "\u0130@example.com", "\u017f@example.com"]
)
async def test_letters_that_only_fold_to_ascii_are_no_address(
    client: httpx.AsyncClient, email: str
) -> None:
    answer = await client.post("/auth/v1/signup", json={"email": email, "password": PASSWORD})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "validation_failed")


@pytest.mark.parametrize("levels", [300, 900, 5000])
async def test_metadata_nested_too_deep_is_refused(client: httpx.AsyncClient, levels: int) -> None:
    data = '{"a":' + "[" * levels + "]" * levels + "}"
    body = f'{{"email":"deep@example.com","password":"{PASSWORD}","data":{data}}}'
    answer = await client.post("/auth/v1/signup", content=body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "bad_json")


async def test_metadata_nested_as_deep_as_allowed_is_stored(client: httpx.AsyncClient) -> None:
    deep: Json = {}
    for _ in range(90):
        deep = {"a": deep}
    session = await sign_up(client, data={"deep": deep})
    assert session["user"]["user_metadata"]["deep"] == deep


@pytest.mark.parametrize(
    ("method", "path", "key", "status", "code"),
    [
        ("POST", "/sso", "", 404, "saml_provider_disabled"),
        ("GET", "/sso/saml/metadata", "", 404, "saml_provider_disabled"),
        ("GET", "/admin/sso/providers", "sb_publishable_test", 403, "not_admin"),
        ("GET", "/admin/sso/providers/x", "sb_secret_test", 404, "saml_provider_disabled"),
        ("POST", "/oauth/clients/register", "", 404, "feature_disabled"),
        ("GET", "/user/oauth/grants", "", 401, "no_authorization"),
        ("GET", "/admin/oauth/clients", "sb_publishable_test", 403, "not_admin"),
        ("POST", "/admin/oauth/clients", "sb_secret_test", 404, "feature_disabled"),
        (
            "POST",
            "/admin/oauth/clients/x/regenerate_secret",
            "sb_secret_test",
            404,
            "feature_disabled",
        ),
        ("GET", "/scim/v2/Schemas", "", 404, "feature_disabled"),
    ],
)
async def test_what_is_not_offered_answers_as_switched_off(
    client: httpx.AsyncClient, method: str, path: str, key: str, status: int, code: str
) -> None:
    """Trap 48 among them."""
    answer = await client.request(method, f"/auth/v1{path}", headers=NEW | {"apikey": key})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
