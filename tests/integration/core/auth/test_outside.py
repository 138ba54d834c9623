"""Services of the outside played by a real local server: Twilio, captchas, leaked passwords."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from hashlib import sha1
from typing import Any
from urllib.parse import parse_qs

import httpx
import orjson
import pytest
import pytest_asyncio

from gavan.core.auth.config.passwords import PasswordConfig
from gavan.core.auth.config.sms import TwilioConfig
from gavan.core.auth.errors import AuthError
from gavan.core.auth.guard.leaks import Leaks
from gavan.core.auth.sms.twilio import SmsError, Twilio
from gavan.kit.outbound import Outbound
from gavan.kit.secret import Secret
from tests.conftest import Database
from tests.integration.core.conftest import SERVICE_KEY, CoreFactory
from tests.local_http import Heard, Reply, local_server
from tests.ports import free_port

NEW = {"X-Supabase-Api-Version": "2024-01-01"}


@pytest_asyncio.fixture
async def outbound() -> AsyncIterator[Outbound]:
    made = Outbound()
    yield made
    await made.close()


def json_reply(http_status: int = 200, **body: Any) -> Reply:
    return Reply(
        status=http_status, headers={"content-type": "application/json"}, body=orjson.dumps(body)
    )


def form(heard: Heard) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(heard.body.decode()).items()}


def twilio(url: str, outbound: Outbound, **changes: Any) -> Twilio:
    values = {"account": "AC1", "token": Secret("hush"), "sender": "MG1", "url": url, **changes}
    return Twilio(TwilioConfig(**values), outbound)


async def send(provider: Twilio, channel: str = "sms") -> str:
    return await provider.send(
        phone="4152127777", text="Code 123456", otp="123456", channel=channel
    )


async def test_a_text_message_is_handed_to_twilio(outbound: Outbound) -> None:
    with local_server(lambda _heard: json_reply(201, sid="SM1", status="queued")) as server:
        assert await send(twilio(server.url, outbound)) == "SM1"
    (heard,) = server.heard
    assert heard.path == "/2010-04-01/Accounts/AC1/Messages.json"
    login = base64.b64decode(heard.headers["authorization"].removeprefix("Basic ")).decode()
    assert login == "AC1:hush"
    assert form(heard) == {
        "To": "+4152127777",
        "From": "MG1",
        "Channel": "sms",
        "Body": "Code 123456",
    }


async def test_whatsapp_has_its_own_form(outbound: Outbound) -> None:
    with local_server(lambda _heard: json_reply(201, sid="SM1", status="queued")) as server:
        await send(twilio(server.url, outbound, sender="14155550000"), "whatsapp")
        await send(twilio(server.url, outbound, content_sid="HX1"), "whatsapp")
    plain, templated = (form(heard) for heard in server.heard)
    assert (plain["To"], plain["From"]) == ("whatsapp:+4152127777", "whatsapp:14155550000")
    assert plain["Body"] == "Code 123456"
    assert (templated["From"], templated["ContentSid"]) == ("MG1", "HX1")
    assert orjson.loads(templated["ContentVariables"]) == {"1": "123456"}
    assert "Body" not in templated


@pytest.mark.parametrize(
    ("reply", "part"),
    [
        (json_reply(400, message="not a mobile number", code=21614), "not a mobile number"),
        (json_reply(201, sid="SM1", status="failed", error_message="blocked"), "blocked for SM1"),
        (Reply(status=500, body=b"<html>"), "cannot be reached"),
        (Reply(status=503, body=b"{}"), "answered 503"),
    ],
)
async def test_what_twilio_refuses_is_told_without_its_token(
    outbound: Outbound, reply: Reply, part: str
) -> None:
    with local_server(lambda _heard: reply) as server, pytest.raises(SmsError) as caught:
        await send(twilio(server.url, outbound))
    assert part in str(caught.value)
    assert "hush" not in str(caught.value)


async def test_a_provider_that_is_not_there_is_an_error_like_others(outbound: Outbound) -> None:
    with pytest.raises(SmsError):
        await send(twilio(f"http://127.0.0.1:{free_port()}", outbound))


def leaked(password: str) -> Reply:
    digest = sha1(password.encode()).hexdigest().upper()
    lines = [f"{'0' * 34}A:3", f"{digest[5:]}:42", f"{'F' * 35}:0"]
    return Reply(body="\r\n".join(lines).encode())


def leaks(url: str, outbound: Outbound, **changes: Any) -> Leaks:
    return Leaks(PasswordConfig(checks_leaks=True, leaks_url=url, **changes), outbound)


async def test_a_leaked_password_is_found_and_only_its_beginning_told(outbound: Outbound) -> None:
    with local_server(lambda _heard: leaked("password1")) as server:
        assert await leaks(server.url, outbound).has("password1")
        assert not await leaks(server.url, outbound).has("correct horse")
    digest = sha1(b"password1").hexdigest().upper()
    assert server.heard[0].path == f"/range/{digest[:5]}"
    assert digest[5:] not in str(server.heard)
    assert server.heard[0].headers["add-padding"] == "true"


async def test_a_line_of_the_padding_is_no_leak(outbound: Outbound) -> None:
    digest = sha1(b"password1").hexdigest().upper()
    with local_server(lambda _heard: Reply(body=f"{digest[5:]}:0".encode())) as server:
        assert not await leaks(server.url, outbound).has("password1")


@pytest.mark.parametrize("reply", [None, Reply(status=503), Reply(body=b"x" * 1_100_000)])
async def test_without_the_list_passwords_pass_unless_it_is_demanded(
    outbound: Outbound, reply: Reply | None
) -> None:
    with local_server(lambda _heard: reply or Reply()) as server:
        url = server.url if reply else f"http://127.0.0.1:{free_port()}"
        assert not await leaks(url, outbound).has("password1")
        with pytest.raises(AuthError) as caught:
            await leaks(url, outbound, leaks_fail_closed=True).has("password1")
    assert caught.value.status == 500


async def test_sign_up_refuses_a_leaked_password_and_sign_in_mentions_it(
    core_factory: CoreFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"email": "a@example.com", "password": "password1"}
    early = await core_factory("auth")
    assert (await early.post("/auth/v1/signup", json=body)).status_code == 200
    with local_server(lambda _heard: leaked("password1")) as server:
        monkeypatch.setenv("GOTRUE_PASSWORD_HIBP_ENABLED", "true")
        monkeypatch.setenv("GOTRUE_PASSWORD_HIBP_URL", server.url)
        client = await core_factory("auth")
        weak = await client.post(
            "/auth/v1/signup", json={**body, "email": "b@example.com"}, headers=NEW
        )
        assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")
        assert weak.json()["weak_password"] == {"reasons": ["pwned"]}
        known = await client.post("/auth/v1/token?grant_type=password", json=body)
    assert known.status_code == 200
    assert known.json()["weak_password"]["reasons"] == ["pwned"]


def captcha_says(heard: Heard) -> Reply:
    if form(heard).get("response") == "earned":
        return json_reply(success=True)
    said = {"success": False, "error-codes": ["invalid-input-response"]}
    return Reply(body=orjson.dumps(said))


@pytest_asyncio.fixture
async def guarded(
    core_factory: CoreFactory, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    """A core that asks for a captcha, and the server that it asks; `heard` hangs on the client."""
    with local_server(captcha_says) as server:
        monkeypatch.setenv("GOTRUE_SECURITY_CAPTCHA_ENABLED", "true")
        monkeypatch.setenv("GOTRUE_SECURITY_CAPTCHA_PROVIDER", "turnstile")
        monkeypatch.setenv("GOTRUE_SECURITY_CAPTCHA_SECRET", "site secret")
        monkeypatch.setenv("GOTRUE_SECURITY_CAPTCHA_URL", server.url)
        client = await core_factory("auth")
        client.heard = server.heard  # type: ignore[attr-defined]
        yield client


def signup(token: str | None) -> dict[str, Any]:
    security = {} if token is None else {"gotrue_meta_security": {"captcha_token": token}}
    return {"email": "a@example.com", "password": "correct horse", **security}


@pytest.mark.parametrize("path", ["signup", "otp", "magiclink", "recover", "resend"])
async def test_without_a_captcha_nothing_is_done(guarded: httpx.AsyncClient, path: str) -> None:
    answer = await guarded.post(f"/auth/v1/{path}", json=signup(None), headers=NEW)
    assert (answer.status_code, answer.json()["code"]) == (400, "captcha_failed")
    assert answer.json()["message"] == (
        "captcha protection: request disallowed (no captcha_token found)"
    )
    assert guarded.heard == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("token", ["", "  ", 7, {"a": 1}])
async def test_a_captcha_that_is_no_text_is_none(guarded: httpx.AsyncClient, token: Any) -> None:
    answer = await guarded.post("/auth/v1/signup", json=signup(token), headers=NEW)
    assert answer.json()["code"] == "captcha_failed"


async def test_a_made_up_captcha_is_refused_with_the_reason(guarded: httpx.AsyncClient) -> None:
    answer = await guarded.post("/auth/v1/signup", json=signup("made up"), headers=NEW)
    assert answer.json()["message"].endswith("(invalid-input-response)")


async def test_an_earned_captcha_lets_pass_and_the_body_arrives(guarded: httpx.AsyncClient) -> None:
    answer = await guarded.post("/auth/v1/signup", json=signup("earned"))
    assert answer.status_code == 200
    assert answer.json()["user"]["email"] == "a@example.com"
    (heard,) = guarded.heard  # type: ignore[attr-defined]
    assert form(heard)["secret"] == "site secret"


async def test_a_session_goes_on_without_a_captcha(guarded: httpx.AsyncClient) -> None:
    made = (await guarded.post("/auth/v1/signup", json=signup("earned"))).json()
    fresh = await guarded.post(
        "/auth/v1/token?grant_type=refresh_token", json={"refresh_token": made["refresh_token"]}
    )
    assert fresh.status_code == 200
    login = await guarded.post("/auth/v1/token?grant_type=password", json=signup(None), headers=NEW)
    assert login.json()["code"] == "captcha_failed"


async def test_only_an_administrator_is_taken_for_a_person(guarded: httpx.AsyncClient) -> None:
    admin = {"Authorization": f"Bearer {SERVICE_KEY}"}
    assert (await guarded.post("/auth/v1/signup", json=signup(None), headers=admin)).is_success
    forged = {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJyb2xlIjoic2VydmljZV9yb2xlIn0."}
    answer = await guarded.post("/auth/v1/signup", json=signup(None), headers={**NEW, **forged})
    assert answer.json()["code"] == "captcha_failed"


async def test_a_captcha_service_that_is_down_lets_nobody_pass(
    core_factory: CoreFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOTRUE_SECURITY_CAPTCHA_ENABLED", "true")
    monkeypatch.setenv("GOTRUE_SECURITY_CAPTCHA_SECRET", "s")
    monkeypatch.setenv("GOTRUE_SECURITY_CAPTCHA_URL", f"http://127.0.0.1:{free_port()}")
    client = await core_factory("auth")
    answer = await client.post("/auth/v1/signup", json=signup("earned"), headers=NEW)
    assert (answer.status_code, answer.json()["code"]) == (500, "unexpected_failure")


async def test_an_address_that_asks_too_often_is_told_when_to_come_again(
    core_factory: CoreFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOTRUE_RATE_LIMIT_HEADER", "X-Forwarded-For")
    client = await core_factory("auth")

    async def guess(ip: str) -> httpx.Response:
        body = {"email": "a@example.com", "password": "wrong"}
        headers = {**NEW, "X-Forwarded-For": ip}
        return await client.post("/auth/v1/recover", json=body, headers=headers)

    statuses = [(await guess("203.0.113.7")).status_code for _ in range(30)]
    assert 429 not in statuses
    late = await guess("203.0.113.7, 10.0.0.1")
    assert (late.status_code, late.json()["code"]) == (429, "over_request_rate_limit")
    assert int(late.headers["retry-after"]) > 0
    assert (await guess("203.0.113.8")).status_code != 429


@pytest.mark.parametrize(
    ("header", "ip"), [("", "127.0.0.1"), ("X-Real-IP", "203.0.113.7"), ("X-Other", "127.0.0.1")]
)
async def test_a_session_remembers_an_address_that_the_proxy_told(
    core_factory: CoreFactory,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    header: str,
    ip: str,
) -> None:
    """A client cannot claim an address: only the configured header is believed."""
    if header:
        monkeypatch.setenv("GOTRUE_RATE_LIMIT_HEADER", header)
    client = await core_factory("auth")
    claimed = {"X-Real-IP": "203.0.113.7", "X-Forwarded-For": "198.51.100.1"}
    made = await client.post("/auth/v1/signup", json=signup(None), headers=claimed)
    assert made.status_code == 200
    with database.connect("supabase_admin") as connection:
        assert connection.execute("select host(ip) from auth.sessions").fetchall() == [(ip,)]


async def test_a_body_over_one_mebibyte_is_refused(core_factory: CoreFactory) -> None:
    client = await core_factory("auth")
    large = {"email": "a@example.com", "password": "x" * 1024 * 1024}
    for path in ("signup", "token?grant_type=password"):
        answer = await client.post(f"/auth/v1/{path}", json=large, headers=NEW)
        assert (answer.status_code, answer.json()["code"]) == (413, "request_entity_too_large")
