"""/verify: codes and links come back, each once, and lead only where they may."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.integration.core.auth.accounts import (
    CONFIRMING,
    PASSWORD,
    PHONE,
    PHONE_CODE,
    PKCE,
    VERIFIER,
    Accounts,
    AccountsFactory,
    code_of,
    fragment_of,
    query_of,
)

SITE = "http://localhost:5173"


async def requested(accounts: Accounts, path: str = "/signup", **more: Any) -> None:
    body = {"email": "a@example.com", **more}
    if path == "/signup":
        body["password"] = PASSWORD
    response = await accounts.post(path, **body)
    assert response.status_code == 200, response.text


async def test_a_code_confirms_in_any_letter_case_and_only_once(confirming: Accounts) -> None:
    """Trap 19."""
    await requested(confirming)
    code = (await confirming.mail()).code
    answer = await confirming.post("/verify", type="signup", email="A@Example.COM", token=code)
    session = answer.json()
    assert session["user"]["email_confirmed_at"]
    assert session["user"]["user_metadata"]["email_verified"] is True
    assert session["user"]["identities"][0]["identity_data"]["email_verified"] is True
    assert confirming.row("select authentication_method from auth.mfa_amr_claims")[0] == "otp"
    again = await confirming.post("/verify", type="signup", email="a@example.com", token=code)
    assert code_of(again) == (403, "otp_expired")
    assert again.json()["message"] == "Token has expired or is invalid"
    assert (await confirming.session())["user"]["id"] == session["user"]["id"]
    assert confirming.rows("select token_hash from auth.one_time_tokens") == []


async def test_a_hash_confirms_only_once(confirming: Accounts) -> None:
    """Trap 20."""
    await requested(confirming)
    token_hash = query_of((await confirming.mail()).link)["token"]
    first = await confirming.post("/verify", type="email", token_hash=token_hash)
    assert first.json()["user"]["email_confirmed_at"]
    again = await confirming.post("/verify", type="email", token_hash=token_hash)
    assert code_of(again) == (403, "otp_expired")
    assert again.json()["message"] == "Email link is invalid or has expired"


async def test_of_parallel_clicks_on_one_link_exactly_one_gets_in(confirming: Accounts) -> None:
    await requested(confirming)
    mail = await confirming.mail()
    token_hash = query_of(mail.link)["token"]
    by_hash = [confirming.post("/verify", type="signup", token_hash=token_hash) for _ in range(4)]
    by_code = [
        confirming.post("/verify", type="email", email="a@example.com", token=mail.code)
        for _ in range(4)
    ]
    answers = await asyncio.gather(*by_hash, *by_code)
    assert sorted(answer.status_code for answer in answers) == [200, *[403] * 7]
    assert confirming.row("select count(*) from auth.sessions")[0] == 1


async def test_what_does_not_verify_says_why_and_no_more(confirming: Accounts) -> None:
    """Traps 16, 17 and 18."""
    await requested(confirming)
    for body, status, code, text in (
        ({}, 400, "validation_failed", "Verify requires a verification type"),
        ({"type": "email"}, 400, "validation_failed", "either a token or a token hash"),
        (
            {"type": "email", "token": "1", "token_hash": "2"},
            400,
            "validation_failed",
            "either a token or a token hash",
        ),
        (
            {"type": "email", "token_hash": "x", "email": "a@example.com"},
            400,
            "validation_failed",
            "Only the token_hash and type should be provided",
        ),
        (
            {"type": "email", "token": "1"},
            400,
            "validation_failed",
            "Only an email address or phone number should be provided on verify",
        ),
        (
            {"type": "email", "token": "1", "email": "nobody@example.com"},
            403,
            "otp_expired",
            "Token has expired or is invalid",
        ),
        (
            {"type": "email", "token": "000000x", "email": "a@example.com"},
            403,
            "otp_expired",
            "Token has expired or is invalid",
        ),
        (
            {"type": "sms", "token": "123456", "phone": "15550009"},
            403,
            "otp_expired",
            "Token has expired or is invalid",
        ),
        (
            {"type": "sms", "token": "123456", "phone": "15550009-invalid"},
            400,
            "validation_failed",
            "Invalid phone number format (E.164 required)",
        ),
        ({"type": "nonsense", "token_hash": "x"}, 400, "validation_failed", "verification type"),
        (
            {"type": "sms", "token_hash": "x"},
            400,
            "validation_failed",
            "Invalid email verification type",
        ),
        ({"type": "email", "token_hash": "x"}, 403, "otp_expired", "Email link is invalid"),
    ):
        refused = await confirming.post("/verify", **body)
        assert code_of(refused) == (status, code), body
        assert text in refused.json()["message"]


async def test_a_code_serves_only_the_purpose_it_was_sent_for(confirming: Accounts) -> None:
    await confirming.made()
    await requested(confirming, "/recover")
    code = (await confirming.mail()).code
    for wrong in ("signup", "invite", "email_change"):
        refused = await confirming.post("/verify", type=wrong, email="a@example.com", token=code)
        assert code_of(refused) == (403, "otp_expired")
    assert (
        await confirming.post("/verify", type="recovery", email="a@example.com", token=code)
    ).status_code == 200


async def test_a_code_of_one_address_is_none_of_another(confirming: Accounts) -> None:
    await confirming.made()
    await confirming.made("victim@example.com")
    for email in ("a@example.com", "victim@example.com"):
        await requested(confirming, "/otp", email=email)
    own = (await confirming.mail("a@example.com")).code
    refused = await confirming.post("/verify", type="email", email="victim@example.com", token=own)
    assert code_of(refused) == (403, "otp_expired")


@pytest.mark.parametrize(("kind", "column"), [("mail", "email"), ("text", "phone")])
async def test_a_code_that_is_too_old_is_worthless(
    accounts_factory: AccountsFactory, kind: str, column: str
) -> None:
    accounts = await accounts_factory(
        **CONFIRMING, GOTRUE_MAILER_OTP_EXP="60", GOTRUE_SMS_OTP_EXP="60"
    )
    await requested(accounts)
    mail = await accounts.mail()
    accounts.run(
        "update auth.users set confirmation_sent_at = now() - interval '61 seconds', phone = %s",
        "15550077",
    )
    if kind == "mail":
        answer = await accounts.post(
            "/verify", type="email", email="a@example.com", token=mail.code
        )
        click = await accounts.click(mail.link)
        assert fragment_of(click)["error_code"] == "otp_expired"
    else:
        answer = await accounts.post("/verify", type="sms", phone="15550077", token=mail.code)
    assert code_of(answer) == (403, "otp_expired")


async def test_a_banned_user_is_told_so(confirming: Accounts) -> None:
    await confirming.made()
    await requested(confirming, "/otp")
    mail = await confirming.mail()
    confirming.run("update auth.users set banned_until = now() + interval '1 day'")
    by_code = await confirming.post("/verify", type="email", email="a@example.com", token=mail.code)
    assert code_of(by_code) == (403, "user_banned")
    assert fragment_of(await confirming.click(mail.link))["error_code"] == "user_banned"


async def test_guesses_at_one_address_are_bounded_and_the_link_goes_on(
    confirming: Accounts,
) -> None:
    await requested(confirming)
    mail = await confirming.mail()
    wrong = [f"{number:06}" for number in range(12) if f"{number:06}" != mail.code][:10]
    for code in wrong:
        refused = await confirming.post("/verify", type="email", email="a@example.com", token=code)
        assert code_of(refused) == (403, "otp_expired")
    stopped = await confirming.post("/verify", type="email", email="A@example.com", token=mail.code)
    assert code_of(stopped) == (429, "over_request_rate_limit")
    assert int(stopped.headers["retry-after"]) > 0
    assert "access_token" in fragment_of(await confirming.click(mail.link))


async def test_no_link_can_be_made_of_an_address_and_a_guessed_code(
    confirming: Accounts,
) -> None:
    """GoTrue's hash has no secret: every code tried would be a link tried, for any account."""
    await requested(confirming)
    code = (await confirming.mail()).code
    guessed = hashlib.sha224(f"a@example.com{code}".encode()).hexdigest()
    refused = await confirming.post("/verify", type="signup", token_hash=guessed)
    assert code_of(refused) == (403, "otp_expired")


async def test_a_link_leads_back_with_a_session_in_the_fragment(confirming: Accounts) -> None:
    await requested(confirming)
    click = await confirming.click((await confirming.mail()).link)
    fragment = fragment_of(click)
    assert click.headers["location"].startswith(f"{SITE}#access_token=")
    assert list(fragment) == [
        *("access_token", "expires_at", "expires_in", "refresh_token"),
        *("sb", "token_type", "type"),
    ]
    assert (fragment["type"], fragment["sb"], fragment["token_type"]) == ("signup", "", "bearer")
    assert click.headers["cache-control"] == "no-store"
    shown = await confirming.get("/user", bearer=fragment["access_token"])
    assert shown.json()["email"] == "a@example.com"


async def test_a_used_link_leads_back_with_the_error_in_the_fragment(
    confirming: Accounts,
) -> None:
    """Trap 21."""
    await requested(confirming)
    link = (await confirming.mail()).link
    await confirming.click(link)
    again = await confirming.click(link)
    assert again.headers["location"] == (
        f"{SITE}#error=access_denied&error_code=otp_expired"
        "&error_description=Email+link+is+invalid+or+has+expired&sb="
    )


async def test_an_unlisted_target_becomes_the_site(accounts_factory: AccountsFactory) -> None:
    """Traps 22 and 24: in the mail, and in whatever somebody makes of the link."""
    accounts = await accounts_factory(
        **CONFIRMING, GOTRUE_URI_ALLOW_LIST="https://*.test.dev/**,com.example.app://**"
    )
    for wished, reached in (
        ("https://evil.example/", SITE),
        ("http://something#.example.com/abc", SITE),
        ("https://app.test.dev/a/b?c=d", "https://app.test.dev/a/b?c=d"),
        ("com.example.app://done", "com.example.app://done"),
        ("//evil.example", SITE),
        (f"{SITE}@evil.example/", SITE),
        (f"{SITE}\\@evil.example/", SITE),
    ):
        await requested(accounts, f"/otp?redirect_to={quote(wished, safe='')}")
        link = (await accounts.mail()).link
        assert query_of(link)["redirect_to"] == reached
        forged = link.partition("&redirect_to=")[0] + f"&redirect_to={quote(wished, safe='')}"
        location = (await accounts.click(forged)).headers["location"]
        assert location.startswith(f"{reached}#access_token=")


@pytest.mark.parametrize("missing", ["token=x", "type=signup"])
async def test_a_link_without_token_or_type_is_no_redirect(
    confirming: Accounts, missing: str
) -> None:
    response = await confirming.get(f"/verify?{missing}")
    assert code_of(response) == (400, "validation_failed")


async def test_a_pkce_link_gives_a_code_that_only_the_verifier_redeems_once(
    confirming: Accounts,
) -> None:
    """Trap 30, and code replay."""
    await requested(confirming, **PKCE)
    mail = await confirming.mail()
    assert query_of(mail.link)["token"].startswith("pkce_")
    click = await confirming.click(mail.link)
    location = click.headers["location"]
    assert location.startswith(f"{SITE}?code=")
    assert "access_token" not in location
    code = query_of(location)["code"]
    path = "/token?grant_type=pkce"
    wrong = await confirming.post(path, auth_code=code, code_verifier="x" * 43)
    assert code_of(wrong) == (400, "bad_code_verifier")
    unknown = await confirming.post(path, auth_code="nobody's", code_verifier=VERIFIER)
    assert code_of(unknown) == (404, "flow_state_not_found")
    empty = await confirming.post(path, auth_code=code)
    assert code_of(empty) == (400, "validation_failed")
    answers = await asyncio.gather(
        *(confirming.post(path, auth_code=code, code_verifier=VERIFIER) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404]
    assert confirming.rows("select id from auth.flow_state") == []
    assert confirming.row("select authentication_method from auth.mfa_amr_claims")[0] == (
        "email/signup"
    )


async def test_a_pkce_code_grows_too_old(confirming: Accounts) -> None:
    await requested(confirming, **PKCE)
    code = query_of((await confirming.click((await confirming.mail()).link)).headers["location"])
    confirming.run("update auth.flow_state set created_at = now() - interval '301 seconds'")
    late = await confirming.post(
        "/token?grant_type=pkce", auth_code=code["code"], code_verifier=VERIFIER
    )
    assert code_of(late) == (422, "flow_state_expired")


async def test_a_magic_links_code_counts_from_its_click(confirming: Accounts) -> None:
    await confirming.made()
    await requested(confirming, "/otp", **PKCE)
    confirming.run("update auth.flow_state set created_at = now() - interval '1 hour'")
    click = await confirming.click((await confirming.mail()).link)
    answer = await confirming.post(
        "/token?grant_type=pkce",
        auth_code=query_of(click.headers["location"])["code"],
        code_verifier=VERIFIER,
    )
    assert answer.status_code == 200, answer.text


async def test_a_pkce_link_without_its_mark_is_worthless(confirming: Accounts) -> None:
    """Whoever reads the mail cannot turn the code that needs a verifier into a session."""
    await requested(confirming, **PKCE)
    link = (await confirming.mail()).link
    stripped = await confirming.click(link.replace("token=pkce_", "token="))
    assert fragment_of(stripped)["error_code"] == "otp_expired"


async def test_a_failing_pkce_link_has_the_error_in_the_query_as_well(
    confirming: Accounts,
) -> None:
    click = await confirming.click("http://x/verify?token=pkce_nothing&type=magiclink")
    pairs = (
        "error=access_denied&error_code=otp_expired"
        "&error_description=Email+link+is+invalid+or+has+expired"
    )
    assert click.headers["location"] == f"{SITE}?{pairs}#{pairs}&sb="


async def test_a_code_from_a_pkce_mail_may_be_typed(confirming: Accounts) -> None:
    await requested(confirming, **PKCE)
    mail = await confirming.mail()
    typed = await confirming.post("/verify", type="email", email="a@example.com", token=mail.code)
    assert typed.status_code == 200


async def test_an_invitation_lets_in_and_leaves_a_password_nobody_knows(
    confirming: Accounts,
) -> None:
    invited = await confirming.admin("POST", "/invite", email="a@example.com")
    assert invited.json()["invited_at"]
    click = await confirming.click((await confirming.mail(kind="invite")).link)
    assert fragment_of(click)["type"] == "invite"
    assert confirming.row("select encrypted_password from auth.users")[0].startswith("$2")
    assert confirming.actions() == ["user_invited", "user_signedup"]


async def test_a_test_number_never_gets_a_text_and_its_code_holds(confirming: Accounts) -> None:
    sent = await confirming.post("/otp", phone=PHONE)
    assert sent.json() == {}
    for token, status in (("999999", 403), (PHONE_CODE, 200)):
        answer = await confirming.post("/verify", type="sms", phone=PHONE, token=token)
        assert answer.status_code == status
    again = await confirming.post("/otp", phone=PHONE)
    assert again.json() == {"message_id": "test-otp"}


async def test_confirming_makes_every_other_token_worthless(confirming: Accounts) -> None:
    await requested(confirming)
    first = await confirming.mail()
    await requested(confirming, "/recover")
    recovery = await confirming.mail(kind="recovery")
    confirmed = await confirming.post(
        "/verify", type="signup", email="a@example.com", token=first.code
    )
    assert confirmed.status_code == 200
    late = await confirming.post(
        "/verify", type="recovery", email="a@example.com", token=recovery.code
    )
    assert code_of(late) == (403, "otp_expired")


async def test_headers_cannot_be_injected_through_the_target(
    accounts_factory: AccountsFactory,
) -> None:
    accounts = await accounts_factory(**CONFIRMING, GOTRUE_URI_ALLOW_LIST="https://e.dev/**")
    target = quote("https://e.dev/\r\nSet-Cookie: a=b", safe="")
    click = await accounts.click(f"http://x/verify?token=x&type=signup&redirect_to={target}")
    assert click.headers["location"].startswith(f"{SITE}#error=")
    unicode = quote("https://e.dev/Привет", safe="")
    click = await accounts.click(f"http://x/verify?token=x&type=signup&redirect_to={unicode}")
    assert click.headers["location"].startswith("https://e.dev/%D0%9F")


async def test_a_look_at_a_link_uses_nothing_up(confirming: Accounts) -> None:
    """Mail programs ask with HEAD before anybody clicks."""
    await confirming.made()
    await confirming.post("/magiclink", email="a@example.com")
    link = (await confirming.mail("a@example.com")).link
    looked = await confirming.client.head(f"/auth/v1/verify?{urlsplit(link).query}")
    assert looked.status_code == 405
    assert "access_token" in fragment_of(await confirming.click(link))


@pytest.mark.parametrize(
    "path", ["/verify?type=signup&token=%00", "/authorize?provider=custom:%00", "/authorize%00"]
)
async def test_a_nul_is_refused_before_it_reaches_postgres(confirming: Accounts, path: str) -> None:
    assert code_of(await confirming.get(path)) == (400, "validation_failed")
