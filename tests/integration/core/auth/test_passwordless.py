"""Codes and links that are asked for: /otp, /magiclink, /recover, /resend, /reauthenticate."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.core.auth.accounts import (
    CONFIRMING,
    PASSWORD,
    PHONE,
    PHONE_CODE,
    Accounts,
    AccountsFactory,
    code_of,
    query_of,
)


@pytest.mark.parametrize("path", ["/otp", "/magiclink"])
async def test_a_known_address_gets_a_magic_link(confirming: Accounts, path: str) -> None:
    """Trap 37: nothing of the account is in the answer."""
    user = await confirming.made()
    sent = await confirming.post(path, email="A@example.com")
    assert (sent.status_code, sent.json()) == (200, {})
    mail = await confirming.mail("a@example.com")
    assert (mail.kind, query_of(mail.link)["type"]) == ("magic_link", "magiclink")
    session = await confirming.post(
        "/verify", type="magiclink", email="a@example.com", token=mail.code
    )
    assert session.json()["user"]["id"] == user["id"]
    assert confirming.actions()[-2:] == ["user_recovery_requested", "login"]


async def test_a_new_address_gets_a_confirmation_that_signs_in(confirming: Accounts) -> None:
    sent = await confirming.post("/otp", email="a@example.com", data={"name": "Ann"})
    assert sent.json() == {}
    mail = await confirming.mail()
    assert mail.kind == "confirmation"
    session = await confirming.post("/verify", type="email", email="a@example.com", token=mail.code)
    assert session.json()["user"]["user_metadata"]["name"] == "Ann"


async def test_where_nothing_is_proved_a_new_address_gets_a_magic_link(easy: Accounts) -> None:
    assert (await easy.post("/otp", email="a@example.com")).json() == {}
    assert [mail.kind for mail in await easy.mails()] == ["magic_link"]
    assert easy.row("select email_confirmed_at is not null from auth.users")[0]


async def test_an_unknown_address_is_refused_when_nobody_shall_be_made(
    confirming: Accounts,
) -> None:
    """Trap 33."""
    for body in ({"email": "a@example.com"}, {"phone": PHONE}):
        refused = await confirming.post("/otp", create_user=False, **body)
        assert code_of(refused) == (422, "otp_disabled")
        assert refused.json()["message"] == "Signups not allowed for otp"
    assert confirming.row("select count(*) from auth.users")[0] == 0


async def test_a_malformed_request_is_refused(confirming: Accounts) -> None:
    for body, text in (
        ({"email": "a@b.co", "phone": PHONE}, "Only an email address or phone number"),
        ({"email": "a@b.co", "channel": "sms"}, "Channel should only be specified with Phone OTP"),
        ({}, "One of email or phone must be set"),
        ({"email": "a@b.co", "code_challenge": "x"}, "PKCE flow requires"),
        ({"phone": PHONE, "channel": "pigeon"}, "Invalid channel"),
        ({"email": "xx"}, "Unable to validate email address: invalid format"),
    ):
        refused = await confirming.post("/otp", **body)
        assert code_of(refused) == (400, "validation_failed"), refused.text
        assert text in refused.json()["message"]


async def test_text_messages_need_a_provider(accounts_factory: AccountsFactory) -> None:
    """Trap 34."""
    accounts = await accounts_factory(**CONFIRMING)
    without = await accounts.post("/otp", phone="4915550000")
    assert (without.status_code, without.json()["message"]) == (500, "Unable to get SMS provider")
    closed = await accounts_factory(GOTRUE_EXTERNAL_PHONE_ENABLED="false")
    refused = await closed.post("/otp", phone=PHONE)
    assert code_of(refused) == (400, "phone_provider_disabled")
    assert refused.json()["message"] == "Unsupported phone provider"


async def test_a_switched_off_way_is_refused(accounts_factory: AccountsFactory) -> None:
    accounts = await accounts_factory(GOTRUE_EXTERNAL_EMAIL_MAGIC_LINK_ENABLED="false")
    refused = await accounts.post("/otp", email="a@example.com")
    assert code_of(refused) == (422, "email_provider_disabled")
    assert refused.json()["message"] == "Login with magic link is disabled"
    closed = await accounts_factory(GOTRUE_EXTERNAL_EMAIL_ENABLED="false")
    for path in ("/otp", "/magiclink", "/recover"):
        refused = await closed.post(path, email="a@example.com")
        assert code_of(refused) == (422, "email_provider_disabled")


async def test_recovery_lets_in_and_a_new_password_be_set(confirming: Accounts) -> None:
    await confirming.made()
    assert (await confirming.post("/recover", email="a@example.com")).json() == {}
    mail = await confirming.mail()
    assert (mail.kind, query_of(mail.link)["type"]) == ("recovery", "recovery")
    session = (
        await confirming.post("/verify", type="recovery", email="a@example.com", token=mail.code)
    ).json()
    changed = await confirming.put_user(session, password="battery staple")
    assert changed.status_code == 200
    await confirming.session(password="battery staple")
    assert code_of(await confirming.post("/recover")) == (400, "validation_failed")


async def test_nobody_and_nothing_pending_are_answered_as_somebody(confirming: Accounts) -> None:
    """Traps 35 and 36."""
    await confirming.made()
    for path, body in (
        ("/recover", {"email": "nobody@example.com"}),
        ("/resend", {"type": "signup", "email": "nobody@example.com"}),
        ("/resend", {"type": "signup", "email": "a@example.com"}),
        ("/resend", {"type": "email_change", "email": "a@example.com"}),
        ("/resend", {"type": "email_change", "email": "nobody@example.com"}),
        ("/resend", {"type": "sms", "phone": "15550088"}),
        ("/resend", {"type": "phone_change", "phone": "15550088"}),
    ):
        response = await confirming.post(path, **body)
        assert (response.status_code, response.json()) == (200, {}), body
        assert await confirming.mails() == []


async def test_what_is_pending_is_sent_again(confirming: Accounts) -> None:
    await confirming.post("/signup", email="a@example.com", password=PASSWORD)
    assert (await confirming.post("/resend", type="signup", email="a@example.com")).json() == {}
    first, second = await confirming.mails("a@example.com", "confirmation")
    assert first.code != second.code or query_of(first.link) == query_of(second.link)
    session = (
        await confirming.post("/verify", type="signup", email="a@example.com", token=second.code)
    ).json()
    await confirming.put_user(session, email="new@example.com", phone=PHONE)
    again = await confirming.post("/resend", type="email_change", email="a@example.com")
    assert again.json() == {}
    assert len(await confirming.mails("new@example.com", "email_change")) == 2
    await confirming.post("/signup", phone="15550002", password=PASSWORD)
    texted = await confirming.post("/resend", type="sms", phone="15550002")
    assert texted.json() == {"message_id": "test-otp"}


async def test_a_malformed_wish_to_send_again_is_refused(confirming: Accounts) -> None:
    for body, text in (
        (
            {"type": "recovery", "email": "a@b.co"},
            "Missing one of these types: signup, email_change, sms, phone_change",
        ),
        ({"type": "signup", "phone": PHONE}, "Type provided requires an email address"),
        ({"type": "sms", "email": "a@b.co"}, "Type provided requires a phone number"),
        ({"type": "signup", "email": "a@b.co", "phone": PHONE}, "Only an email address or phone"),
        ({"type": "email_change"}, "Missing email address or phone number"),
    ):
        refused = await confirming.post("/resend", **body)
        assert code_of(refused) == (400, "validation_failed"), refused.text
        assert text in refused.json()["message"]


async def test_reauthentication_is_asked_of_a_proved_address(confirming: Accounts) -> None:
    await confirming.made()
    session = await confirming.session()
    bearer = session["access_token"]
    assert code_of(await confirming.get("/reauthenticate")) == (403, "bad_jwt")
    sent = await confirming.get("/reauthenticate", bearer=bearer)
    assert (sent.status_code, sent.json()) == (200, {})
    mail = await confirming.mail()
    assert (mail.kind, mail.link) == ("reauthentication", "")
    assert confirming.actions()[-1] == "user_reauthenticate_requested"
    confirming.run("update auth.users set email_confirmed_at = null")
    refused = await confirming.get("/reauthenticate", bearer=bearer)
    assert code_of(refused) == (422, "email_not_confirmed")


async def test_reauthentication_goes_by_text_without_an_address(confirming: Accounts) -> None:
    await confirming.post("/signup", phone=PHONE, password=PASSWORD)
    session = (await confirming.post("/verify", type="sms", phone=PHONE, token=PHONE_CODE)).json()
    sent = await confirming.get("/reauthenticate", bearer=session["access_token"])
    assert sent.json() == {"message_id": "test-otp"}
    anonymous = await _without_address(confirming, session)
    assert code_of(anonymous) == (400, "validation_failed")


async def _without_address(accounts: Accounts, session: dict[str, Any]) -> Any:
    accounts.run("update auth.users set phone = null")
    return await accounts.get("/reauthenticate", bearer=session["access_token"])
