"""Second factors against a real Postgres: enrolment, challenges, what they lift and what falls."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import cbor2
import httpx
import pyotp
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec

from gavan.kit.jwt import Verifier, shared_key
from gavan.kit.secret import Secret
from tests.conftest import JWT_SECRET, Database
from tests.integration.core.conftest import SERVICE_KEY, CoreFactory

PASSWORD = "correct horse"
NEW = {"X-Supabase-Api-Version": "2024-01-01"}
ADMIN = {"Authorization": f"Bearer {SERVICE_KEY}"} | NEW
Json = dict[str, Any]


@pytest_asyncio.fixture
async def client(core_factory: CoreFactory) -> AsyncIterator[httpx.AsyncClient]:
    yield await core_factory("auth")


async def sign_up(client: httpx.AsyncClient, email: str = "a@example.com") -> Json:
    body = {"email": email, "password": PASSWORD}
    session: Json = ok(await client.post("/auth/v1/signup", json=body))
    return session


async def sign_in(client: httpx.AsyncClient, email: str = "a@example.com") -> Json:
    body = {"email": email, "password": PASSWORD}
    session: Json = ok(await client.post("/auth/v1/token?grant_type=password", json=body))
    return session


async def refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    body = {"refresh_token": token}
    return await client.post("/auth/v1/token?grant_type=refresh_token", json=body, headers=NEW)


def ok(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


def refused(response: httpx.Response, status: int, code: str) -> str:
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    message: str = response.json()["message"]
    return message


def bearer(session: Json) -> dict[str, str]:
    return {"Authorization": f"Bearer {session['access_token']}"} | NEW


def claims(session: Json) -> Any:
    return Verifier([shared_key(Secret(JWT_SECRET))]).verify(session["access_token"]).raw


async def enroll(
    client: httpx.AsyncClient, session: Json, name: str = "", **more: Any
) -> httpx.Response:
    body = {"factor_type": "totp", "friendly_name": name, **more}
    return await client.post("/auth/v1/factors", json=body, headers=bearer(session))


async def challenge(client: httpx.AsyncClient, session: Json, factor: Json) -> Json:
    path = f"/auth/v1/factors/{factor['id']}/challenge"
    asked: Json = ok(await client.post(path, json={}, headers=bearer(session)))
    return asked


async def verify(
    client: httpx.AsyncClient, session: Json, factor: Json, challenge: Json, code: str
) -> httpx.Response:
    return await client.post(
        f"/auth/v1/factors/{factor['id']}/verify",
        json={"challenge_id": challenge["id"], "code": code},
        headers=bearer(session),
    )


async def lifted(client: httpx.AsyncClient, session: Json, factor: Json) -> Json:
    asked = await challenge(client, session, factor)
    code = pyotp.TOTP(factor["totp"]["secret"]).now()
    strong: Json = ok(await verify(client, session, factor, asked, code))
    return strong


async def test_a_totp_factor_is_enrolled_verified_and_lifts_the_session(
    client: httpx.AsyncClient, database: Database
) -> None:
    session = await sign_up(client)
    factor = ok(await enroll(client, session, "phone", issuer="Gavan"))
    assert factor["totp"]["qr_code"].startswith("<svg")
    assert "#" not in factor["totp"]["qr_code"], "supabase-js puts it into a data address"
    assert "issuer=Gavan" in factor["totp"]["uri"]
    assert factor["totp"]["secret"] in factor["totp"]["uri"]
    strong = await lifted(client, session, factor)
    assert claims(strong)["aal"] == "aal2"
    assert claims(strong)["session_id"] == claims(session)["session_id"]
    assert [item["method"] for item in claims(strong)["amr"]] == ["totp", "password"]
    (shown,) = strong["user"]["factors"]
    assert (shown["status"], shown["factor_type"]) == ("verified", "totp")
    assert shown["friendly_name"] == "phone"
    assert "secret" not in shown
    again = ok(await refresh(client, strong["refresh_token"]))
    assert claims(again)["aal"] == "aal2"
    with database.connect("supabase_admin") as connection:
        rows = connection.execute(
            "select payload ->> 'action' from auth.audit_log_entries"
            " where payload ->> 'log_type' = 'factor' order by created_at"
        ).fetchall()
    assert [row[0] for row in rows] == [
        "factor_in_progress",
        "challenge_created",
        "verification_attempted",
    ]


async def test_a_refresh_token_from_before_the_factor_gives_no_lifted_session(
    client: httpx.AsyncClient,
) -> None:
    session = await sign_up(client)
    factor = ok(await enroll(client, session))
    await lifted(client, session, factor)
    refused(await refresh(client, session["refresh_token"]), 400, "refresh_token_not_found")


async def test_weaker_sessions_end_when_a_factor_is_verified(client: httpx.AsyncClient) -> None:
    session = await sign_up(client)
    other = await sign_in(client)
    factor = ok(await enroll(client, session))
    await lifted(client, session, factor)
    answer = await client.get("/auth/v1/user", headers=bearer(other))
    refused(answer, 403, "session_not_found")


async def test_unfinished_factors_of_the_type_go_when_one_is_verified(
    client: httpx.AsyncClient,
) -> None:
    session = await sign_up(client)
    ok(await enroll(client, session, "one"))
    factor = ok(await enroll(client, session, "two"))
    strong = await lifted(client, session, factor)
    assert [shown["friendly_name"] for shown in strong["user"]["factors"]] == ["two"]


@pytest.mark.parametrize("name", ["", "phone"])
async def test_two_factors_may_not_have_one_name(client: httpx.AsyncClient, name: str) -> None:
    """Trap 51: two empty names are one name."""
    session = await sign_up(client)
    ok(await enroll(client, session, name))
    message = refused(await enroll(client, session, name), 422, "mfa_factor_name_conflict")
    assert message == f'A factor with the friendly name "{name}" for this user already exists'


async def test_parallel_enrolments_of_one_name_make_one_factor(client: httpx.AsyncClient) -> None:
    session = await sign_up(client)
    answers = await asyncio.gather(*(enroll(client, session, "") for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 422, 422, 422]


async def test_ten_factors_are_the_most(client: httpx.AsyncClient) -> None:
    session = await sign_up(client)
    for number in range(10):
        ok(await enroll(client, session, str(number)))
    refused(await enroll(client, session, "x"), 422, "too_many_enrolled_mfa_factors")


async def test_a_wrong_code_and_an_empty_one_are_refused(client: httpx.AsyncClient) -> None:
    session = await sign_up(client)
    factor = ok(await enroll(client, session))
    asked = await challenge(client, session, factor)
    empty = await verify(client, session, factor, asked, "")
    assert refused(empty, 400, "validation_failed") == "Code needs to be non-empty"
    for code in ("000000x", "٠٠٠٠٠٠", "1"):
        wrong = await verify(client, session, factor, asked, code)
        assert refused(wrong, 422, "mfa_verification_failed") == "Invalid TOTP code entered"


async def test_a_challenge_is_used_once_even_in_parallel(client: httpx.AsyncClient) -> None:
    session = await sign_up(client)
    factor = ok(await enroll(client, session))
    asked = await challenge(client, session, factor)
    code = pyotp.TOTP(factor["totp"]["secret"]).now()
    answers = await asyncio.gather(
        *(verify(client, session, factor, asked, code) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 422, 422, 422]
    for answer in answers:
        if answer.status_code != 200:
            refused(answer, 422, "mfa_ip_address_mismatch")


async def test_a_challenge_from_elsewhere_is_refused(
    client: httpx.AsyncClient, database: Database
) -> None:
    """Trap 53."""
    session = await sign_up(client)
    factor = ok(await enroll(client, session))
    asked = await challenge(client, session, factor)
    with database.connect("supabase_admin") as connection:
        connection.execute("update auth.mfa_challenges set ip_address = '192.0.2.1'")
    code = pyotp.TOTP(factor["totp"]["secret"]).now()
    refused(await verify(client, session, factor, asked, code), 422, "mfa_ip_address_mismatch")


async def test_an_expired_challenge_is_refused_and_gone(
    client: httpx.AsyncClient, database: Database
) -> None:
    session = await sign_up(client)
    factor = ok(await enroll(client, session))
    asked = await challenge(client, session, factor)
    with database.connect("supabase_admin") as connection:
        connection.execute("update auth.mfa_challenges set created_at = now() - interval '301 s'")
    code = pyotp.TOTP(factor["totp"]["secret"]).now()
    refused(await verify(client, session, factor, asked, code), 422, "mfa_challenge_expired")
    refused(await verify(client, session, factor, asked, code), 422, "mfa_factor_not_found")


async def test_factors_of_others_are_not_found(client: httpx.AsyncClient) -> None:
    owner, thief = await sign_up(client), await sign_up(client, "b@example.com")
    factor = ok(await enroll(client, owner))
    path = f"/auth/v1/factors/{factor['id']}"
    for answer in (
        await client.post(f"{path}/challenge", json={}, headers=bearer(thief)),
        await client.delete(path, headers=bearer(thief)),
    ):
        refused(answer, 404, "mfa_factor_not_found")


async def test_a_challenge_of_another_factor_is_refused(client: httpx.AsyncClient) -> None:
    session = await sign_up(client)
    one, two = ok(await enroll(client, session, "1")), ok(await enroll(client, session, "2"))
    asked = await challenge(client, session, one)
    code = pyotp.TOTP(two["totp"]["secret"]).now()
    refused(await verify(client, session, two, asked, code), 422, "mfa_factor_not_found")


async def test_with_a_verified_factor_a_weak_session_may_neither_add_nor_remove(
    client: httpx.AsyncClient,
) -> None:
    session = await sign_up(client)
    factor = ok(await enroll(client, session))
    strong = await lifted(client, session, factor)
    weak = await sign_in(client)
    refused(await enroll(client, weak, "more"), 403, "insufficient_aal")
    path = f"/auth/v1/factors/{factor['id']}"
    refused(await client.delete(path, headers=bearer(weak)), 422, "insufficient_aal")
    assert ok(await client.delete(path, headers=bearer(strong))) == {"id": factor["id"]}
    fallen = ok(await refresh(client, strong["refresh_token"]))
    assert claims(fallen)["aal"] == "aal1"
    assert [item["method"] for item in claims(fallen)["amr"]] == ["password"]


async def test_types_that_are_off_or_unknown_are_refused(client: httpx.AsyncClient) -> None:
    session = await sign_up(client)
    phone = await enroll(client, session, factor_type="phone", phone="+4915112345678")
    assert refused(phone, 422, "mfa_phone_enroll_not_enabled") == (
        "MFA enroll is disabled for Phone"
    )
    key = await enroll(client, session, factor_type="webauthn")
    refused(key, 422, "mfa_webauthn_enroll_not_enabled")
    other = await enroll(client, session, factor_type="voice")
    assert refused(other, 400, "validation_failed") == (
        "factor_type needs to be totp, phone, or webauthn"
    )


async def test_factors_are_listed_with_the_user_and_nowhere_else(
    client: httpx.AsyncClient,
) -> None:
    """Trap 54."""
    session = await sign_up(client)
    factor = ok(await enroll(client, session))
    listed = await client.get("/auth/v1/factors", headers=bearer(session))
    assert (listed.status_code, listed.text) == (405, "")
    user = ok(await client.get("/auth/v1/user", headers=bearer(session)))
    assert [shown["id"] for shown in user["factors"]] == [factor["id"]]


async def test_enrolling_needs_a_user_with_a_session(client: httpx.AsyncClient) -> None:
    """Trap 13."""
    anonymous = await client.post("/auth/v1/factors", json={}, headers=NEW)
    refused(anonymous, 403, "bad_jwt")


async def test_an_administrator_sees_renames_and_deletes_factors(
    client: httpx.AsyncClient,
) -> None:
    """Trap 52: the answer to a deletion is the factor."""
    session = await sign_up(client)
    factor = ok(await enroll(client, session, "old"))
    path = f"/auth/v1/admin/users/{session['user']['id']}/factors"
    (listed,) = ok(await client.get(path, headers=ADMIN))
    assert (listed["id"], listed["status"]) == (factor["id"], "unverified")
    one = f"{path}/{factor['id']}"
    renamed = ok(await client.put(one, json={"friendly_name": "new"}, headers=ADMIN))
    assert renamed["friendly_name"] == "new"
    refused(await client.delete(one, headers=bearer(session)), 403, "not_admin")
    assert ok(await client.delete(one, headers=ADMIN))["id"] == factor["id"]
    assert ok(await client.get(path, headers=ADMIN)) == []


SEND_SMS = """
create table public.sent (phone text, otp text, kind text);
create function public.send_sms(event jsonb) returns jsonb language sql as $$
  insert into public.sent select event->'sms'->>'phone', event->'sms'->>'otp',
    event->'sms'->>'sms_type';
  select '{}'::jsonb
$$;
grant all on public.sent to supabase_auth_admin;
grant execute on function public.send_sms to supabase_auth_admin;
"""
JUDGE = """
create function public.judge(event jsonb) returns jsonb language sql as $$
  select case when (event->>'valid')::boolean then '{"decision": "continue"}'::jsonb
    else '{"decision": "reject", "message": "Not like that"}'::jsonb end
$$;
grant execute on function public.judge to supabase_auth_admin;
"""


@pytest_asyncio.fixture
async def by_phone(
    core_factory: CoreFactory, database: Database, monkeypatch: pytest.MonkeyPatch
) -> httpx.AsyncClient:
    """A service whose text messages are rows of a table, written by a hook of the stack."""
    with database.connect("supabase_admin") as connection:
        connection.execute(SEND_SMS)
    for name, value in {
        "MFA_PHONE_ENROLL_ENABLED": "true",
        "MFA_PHONE_VERIFY_ENABLED": "true",
        "HOOK_SEND_SMS_ENABLED": "true",
        "HOOK_SEND_SMS_URI": "pg-functions://postgres/public/send_sms",
    }.items():
        monkeypatch.setenv(f"GOTRUE_{name}", value)
    return await core_factory("auth")


async def test_a_phone_factor_lifts_by_the_code_that_was_sent(
    by_phone: httpx.AsyncClient, database: Database
) -> None:
    session = await sign_up(by_phone)
    wanted = {"factor_type": "phone", "phone": "+49 151 12345678"}
    factor = ok(await enroll(by_phone, session, "mobile", **wanted))
    assert factor["phone"] == "4915112345678"
    asked = await challenge(by_phone, session, factor)
    with database.connect("supabase_admin") as connection:
        row = connection.execute("select phone, otp, kind from public.sent").fetchone()
    assert row is not None
    assert (row[0], row[2]) == ("4915112345678", "mfa")
    wrong = await verify(by_phone, session, factor, asked, "x" + row[1])
    assert refused(wrong, 422, "mfa_verification_failed") == "Invalid MFA Phone code entered"
    strong = ok(await verify(by_phone, session, factor, asked, row[1]))
    assert [item["method"] for item in claims(strong)["amr"]] == ["mfa/phone", "password"]
    again = await enroll(by_phone, strong, "other", **wanted)
    refused(again, 422, "mfa_verified_factor_exists")


async def test_codes_are_not_sent_one_after_the_other(by_phone: httpx.AsyncClient) -> None:
    session = await sign_up(by_phone)
    wanted = {"factor_type": "phone", "phone": "4915112345678"}
    factor = ok(await enroll(by_phone, session, **wanted))
    await challenge(by_phone, session, factor)
    path = f"/auth/v1/factors/{factor['id']}/challenge"
    soon = await by_phone.post(path, json={}, headers=bearer(session))
    refused(soon, 429, "over_sms_send_rate_limit")
    assert 0 < int(soon.headers["Retry-After"]) <= 5


async def test_a_hook_that_rejects_a_wrong_code_ends_every_session(
    core_factory: CoreFactory, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.connect("supabase_admin") as connection:
        connection.execute(JUDGE)
    hook = "GOTRUE_HOOK_MFA_VERIFICATION_ATTEMPT"
    monkeypatch.setenv(f"{hook}_ENABLED", "true")
    monkeypatch.setenv(f"{hook}_URI", "pg-functions://postgres/public/judge")
    client = await core_factory("auth")
    session = await sign_up(client)
    factor = ok(await enroll(client, session))
    asked = await challenge(client, session, factor)
    rejected = await verify(client, session, factor, asked, "1")
    assert refused(rejected, 403, "mfa_verification_rejected") == "Not like that"
    answer = await client.get("/auth/v1/user", headers=bearer(session))
    refused(answer, 403, "session_not_found")


async def test_a_factor_begun_before_another_was_verified_lifts_no_weak_session(
    by_phone: httpx.AsyncClient, database: Database
) -> None:
    """Who knows the password alone begins a factor and waits until the owner has one."""
    intruder = await sign_up(by_phone)
    begun = ok(await enroll(by_phone, intruder, "intruder"))
    owner = await sign_in(by_phone)
    wanted = {"factor_type": "phone", "phone": "4915112345678"}
    mobile = ok(await enroll(by_phone, owner, "owner", **wanted))
    asked = await challenge(by_phone, owner, mobile)
    with database.connect("supabase_admin") as connection:
        ((sent,),) = connection.execute("select otp from public.sent").fetchall()
    strong = ok(await verify(by_phone, owner, mobile, asked, sent))
    intruder = await sign_in(by_phone)
    asked = await challenge(by_phone, intruder, begun)
    code = pyotp.TOTP(begun["totp"]["secret"]).now()
    refused(await verify(by_phone, intruder, begun, asked, code), 403, "insufficient_aal")
    asked = await challenge(by_phone, strong, begun)
    ok(await verify(by_phone, strong, begun, asked, code))


async def test_codes_of_a_factor_cannot_be_tried_without_end(client: httpx.AsyncClient) -> None:
    """Who has the password would find a code of six digits within the hour."""
    session = await sign_up(client)
    factor = ok(await enroll(client, session))
    strong = await lifted(client, session, factor)
    weak = await sign_in(client)
    asked = await challenge(client, weak, factor)
    tries = [await verify(client, weak, factor, asked, "x") for _ in range(11)]
    assert [answer.status_code for answer in tries] == [422] * 10 + [429]
    assert int(tries[-1].headers["retry-after"]) > 0
    again = ok(await refresh(client, strong["refresh_token"]))
    assert claims(again)["aal"] == "aal2"


async def test_right_codes_are_not_counted(client: httpx.AsyncClient) -> None:
    session = await sign_up(client)
    factor = ok(await enroll(client, session))
    for _ in range(11):
        session = await lifted(client, session, factor)


def new_key(question: Json) -> Json:
    """Return what an authenticator answers that makes a credential and attests nothing."""
    asked = question["webauthn"]["credential_options"]["publicKey"]
    numbers = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    point = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
    site = hashlib.sha256(asked["rp"]["id"].encode()).digest()
    credential_id = os.urandom(16)
    data = site + b"\x45" + bytes(4 + 16) + (16).to_bytes(2) + credential_id + cbor2.dumps(point)
    attested = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
    said = {
        "type": "webauthn.create",
        "challenge": asked["challenge"],
        "origin": "http://localhost:5173",
    }
    response = {
        "clientDataJSON": url_text(json.dumps(said).encode()),
        "attestationObject": url_text(attested),
    }
    name = url_text(credential_id)
    made = {"id": name, "rawId": name, "type": "public-key", "response": response}
    return {"type": "create", "credential_response": made}


def url_text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


async def test_an_old_question_puts_no_new_key_into_a_verified_factor(
    core_factory: CoreFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who knows the password alone asks while the owner enrols, and answers afterwards."""
    for action in ("ENROLL", "VERIFY"):
        monkeypatch.setenv(f"GOTRUE_MFA_WEB_AUTHN_{action}_ENABLED", "true")
    client = await core_factory("auth")
    owner, intruder = await sign_up(client), await sign_in(client)
    factor = ok(await enroll(client, owner, factor_type="webauthn"))
    old = await challenge(client, intruder, factor)
    question = await challenge(client, owner, factor)
    path = f"/auth/v1/factors/{factor['id']}/verify"
    body = {"challenge_id": question["id"], "webauthn": new_key(question)}
    assert claims(ok(await client.post(path, json=body, headers=bearer(owner))))["aal"] == "aal2"
    intruder = await sign_in(client)
    body = {"challenge_id": old["id"], "webauthn": new_key(old)}
    answer = await client.post(path, json=body, headers=bearer(intruder))
    refused(answer, 422, "mfa_ip_address_mismatch")
