"""PUT /user: what users change about themselves, and what they have to prove for it."""

from __future__ import annotations

import asyncio
from typing import Any

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

FIRST = "Confirmation link accepted. Please proceed to confirm link sent to the other email"


async def begun(accounts: Accounts, **more: Any) -> dict[str, Any]:
    await accounts.made()
    session = await accounts.session()
    changed = await accounts.put_user(session, email="New@example.com", **more)
    assert changed.status_code == 200, changed.text
    assert changed.json()["email"] == "a@example.com"
    assert changed.json()["new_email"] == "new@example.com"
    return session


@pytest.mark.parametrize("first", ["a@example.com", "new@example.com"])
async def test_both_addresses_have_to_agree_to_a_change(confirming: Accounts, first: str) -> None:
    await begun(confirming)
    second = "new@example.com" if first == "a@example.com" else "a@example.com"
    codes = {to: (await confirming.mail(to, "email_change")).code for to in (first, second)}
    half = await confirming.post("/verify", type="email_change", email=first, token=codes[first])
    assert (half.status_code, half.json()) == (200, {"msg": FIRST, "code": "200"})
    again = await confirming.post("/verify", type="email_change", email=first, token=codes[first])
    assert code_of(again) == (403, "otp_expired")
    assert confirming.row("select email from auth.users")[0] == "a@example.com"
    whole = await confirming.post("/verify", type="email_change", email=second, token=codes[second])
    user = whole.json()["user"]
    assert user["email"] == "new@example.com"
    assert "new_email" not in user
    assert user["identities"][0]["identity_data"]["email"] == "new@example.com"
    assert user["identities"][0]["identity_data"]["email_verified"] is True
    await confirming.session("new@example.com")


async def test_the_links_of_a_change_lead_back_with_a_message_and_then_a_session(
    confirming: Accounts,
) -> None:
    await begun(confirming)
    links = [(await confirming.mail(to)).link for to in ("a@example.com", "new@example.com")]
    half = await confirming.click(links[0])
    assert half.headers["location"] == (
        "http://localhost:5173#message=Confirmation+link+accepted.+Please+proceed+to+confirm"
        "+link+sent+to+the+other+email&sb="
    )
    assert fragment_of(await confirming.click(links[1]))["type"] == "email_change"


async def test_a_change_by_pkce_ends_with_a_code(confirming: Accounts) -> None:
    await begun(confirming, **PKCE)
    links = [(await confirming.mail(to)).link for to in ("new@example.com", "a@example.com")]
    half = await confirming.click(links[0])
    assert query_of(half.headers["location"])["message"] == FIRST
    code = query_of((await confirming.click(links[1])).headers["location"])["code"]
    answer = await confirming.post("/token?grant_type=pkce", auth_code=code, code_verifier=VERIFIER)
    assert answer.json()["user"]["email"] == "new@example.com"


async def test_the_new_address_alone_may_be_enough(accounts_factory: AccountsFactory) -> None:
    accounts = await accounts_factory(
        **CONFIRMING, GOTRUE_MAILER_SECURE_EMAIL_CHANGE_ENABLED="false"
    )
    await begun(accounts)
    assert await accounts.mails("a@example.com") == []
    code = (await accounts.mail("new@example.com")).code
    done = await accounts.post("/verify", type="email_change", email="new@example.com", token=code)
    assert done.json()["user"]["email"] == "new@example.com"


async def test_of_parallel_second_halves_exactly_one_gets_in(confirming: Accounts) -> None:
    await begun(confirming)
    await confirming.click((await confirming.mail("a@example.com")).link)
    token_hash = query_of((await confirming.mail("new@example.com")).link)["token"]
    answers = await asyncio.gather(
        *(confirming.post("/verify", type="email_change", token_hash=token_hash) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 403, 403, 403]


async def test_an_address_that_was_taken_meanwhile_stays_with_its_owner(
    confirming: Accounts,
) -> None:
    await begun(confirming)
    other = await confirming.made("new@example.com")
    await confirming.click((await confirming.mail("a@example.com")).link)
    late = await confirming.click((await confirming.mail("new@example.com")).link)
    assert fragment_of(late)["error_code"] == "email_exists"
    assert confirming.row("select id::text from auth.users where email = 'new@example.com'") == (
        other["id"],
    )


async def test_a_taken_address_or_number_is_refused(confirming: Accounts) -> None:
    await confirming.made("taken@example.com", phone=PHONE)
    await confirming.made()
    session = await confirming.session()
    by_mail = await confirming.put_user(session, email="Taken@example.com")
    assert code_of(by_mail) == (422, "email_exists")
    by_phone = await confirming.put_user(session, phone=f"+{PHONE}")
    assert code_of(by_phone) == (422, "phone_exists")


async def test_a_number_changes_by_its_code(confirming: Accounts) -> None:
    await confirming.made()
    session = await confirming.session()
    asked = await confirming.put_user(session, phone=f"+{PHONE}")
    assert (asked.json()["phone"], asked.json()["new_phone"]) == ("", PHONE)
    done = await confirming.post("/verify", type="phone_change", phone=PHONE, token=PHONE_CODE)
    user = done.json()["user"]
    assert (user["phone"], "new_phone" in user) == (PHONE, False)
    assert user["app_metadata"]["providers"] == ["email", "phone"]
    data = {identity["provider"]: identity["identity_data"] for identity in user["identities"]}
    assert data["phone"] == {"sub": user["id"], "phone": PHONE, "phone_verified": True}


async def test_metadata_merges_and_null_removes_a_key(easy: Accounts) -> None:
    """Trap 42."""
    await easy.made(user_metadata={"a": 1, "b": 2})
    session = await easy.session()
    changed = await easy.put_user(session, data={"a": None, "c": {"d": 3}})
    metadata = changed.json()["user_metadata"]
    assert "a" not in metadata
    assert (metadata["b"], metadata["c"]) == (2, {"d": 3})


async def test_a_password_change_ends_other_sessions_and_pending_tokens(
    confirming: Accounts,
) -> None:
    """Traps 43 and 44."""
    await confirming.made()
    own, other = await confirming.session(), await confirming.session()
    same = await confirming.put_user(own, password=PASSWORD)
    assert code_of(same) == (422, "same_password")
    await confirming.post("/recover", email="a@example.com")
    recovery = await confirming.mail()
    assert (await confirming.put_user(own, password="battery staple")).status_code == 200
    dead = await confirming.post(
        "/token?grant_type=refresh_token", refresh_token=other["refresh_token"]
    )
    assert dead.status_code == 400
    alive = await confirming.post(
        "/token?grant_type=refresh_token", refresh_token=own["refresh_token"]
    )
    assert alive.status_code == 200
    late = await confirming.post(
        "/verify", type="recovery", email="a@example.com", token=recovery.code
    )
    assert code_of(late) == (403, "otp_expired")
    assert "user_updated_password" in confirming.actions()


async def test_an_old_session_needs_the_nonce_for_a_new_password(
    accounts_factory: AccountsFactory,
) -> None:
    accounts = await accounts_factory(
        **CONFIRMING, GOTRUE_SECURITY_UPDATE_PASSWORD_REQUIRE_REAUTHENTICATION="true"
    )
    await accounts.made()
    session = await accounts.session()
    assert (await accounts.put_user(session, password="fresh enough")).status_code == 200
    accounts.run("update auth.sessions set created_at = now() - interval '25 hours'")
    bare = await accounts.put_user(session, password="battery staple")
    assert code_of(bare) == (400, "reauthentication_needed")
    await accounts.get("/reauthenticate", bearer=session["access_token"])
    code = (await accounts.mail()).code
    wrong = await accounts.put_user(session, password="battery staple", nonce="x" + code)
    assert code_of(wrong) == (422, "reauthentication_not_valid")
    right = await accounts.put_user(session, password="battery staple", nonce=code)
    assert right.status_code == 200
    again = await accounts.put_user(session, password="one more time", nonce=code)
    assert code_of(again) == (422, "reauthentication_not_valid")


async def test_the_current_password_may_be_asked_for_but_not_after_recovery(
    accounts_factory: AccountsFactory,
) -> None:
    accounts = await accounts_factory(
        **CONFIRMING, GOTRUE_SECURITY_UPDATE_PASSWORD_REQUIRE_CURRENT_PASSWORD="true"
    )
    await accounts.made()
    session = await accounts.session()
    bare = await accounts.put_user(session, password="battery staple")
    assert code_of(bare) == (400, "current_password_required")
    wrong = await accounts.put_user(session, password="battery staple", current_password="a guess")
    assert code_of(wrong) == (400, "current_password_invalid")
    right = await accounts.put_user(session, password="battery staple", current_password=PASSWORD)
    assert right.status_code == 200
    await accounts.post("/recover", email="a@example.com")
    recovered = (
        await accounts.post(
            "/verify",
            type="recovery",
            email="a@example.com",
            token=(await accounts.mail()).code,
        )
    ).json()
    assert (await accounts.put_user(recovered, password="forgot it")).status_code == 200


async def test_somebody_anonymous_becomes_permanent_with_an_address(easy: Accounts) -> None:
    session = (await easy.post("/signup")).json()
    alone = await easy.put_user(session, password=PASSWORD)
    assert code_of(alone) == (422, "validation_failed")
    changed = await easy.put_user(session, email="a@example.com", password=PASSWORD)
    user = changed.json()
    assert user["id"] == session["user"]["id"]
    assert (user["is_anonymous"], user["email"]) == (False, "a@example.com")
    assert user["app_metadata"] == {"provider": "email", "providers": ["email"]}
    assert (await easy.session())["user"]["id"] == user["id"]


async def test_somebody_anonymous_proves_the_address_where_that_is_asked(
    accounts_factory: AccountsFactory,
) -> None:
    accounts = await accounts_factory(**CONFIRMING, GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED="true")
    session = (await accounts.post("/signup")).json()
    asked = await accounts.put_user(session, email="a@example.com")
    assert (asked.json()["is_anonymous"], asked.json()["email"]) == (True, "")
    done = await accounts.post(
        "/verify", type="email_change", email="a@example.com", token=(await accounts.mail()).code
    )
    user = done.json()["user"]
    assert (user["id"], user["is_anonymous"]) == (session["user"]["id"], False)
    assert user["email_confirmed_at"]
    assert [identity["provider"] for identity in user["identities"]] == ["email"]


async def test_a_user_with_a_factor_needs_it_for_address_and_password(easy: Accounts) -> None:
    user = await easy.made()
    session = await easy.session()
    easy.run(
        "insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at)"
        " values (gen_random_uuid(), %s, 'totp', 'verified', now(), now())",
        user["id"],
    )
    for body in ({"password": "battery staple"}, {"email": "new@example.com"}, {"phone": PHONE}):
        refused = await easy.put_user(session, **body)
        assert code_of(refused) == (401, "insufficient_aal")
    assert (await easy.put_user(session, data={"a": 1})).status_code == 200
    easy.run("update auth.sessions set aal = 'aal2'")
    assert (await easy.put_user(session, password="battery staple")).status_code == 200


async def test_an_account_of_a_company_is_changed_there(easy: Accounts) -> None:
    await easy.made()
    session = await easy.session()
    easy.run("update auth.users set is_sso_user = true")
    for body in ({"password": "battery staple"}, {"email": "new@example.com"}):
        assert code_of(await easy.put_user(session, **body)) == (422, "user_sso_managed")


async def test_app_metadata_is_not_the_users_to_change(easy: Accounts) -> None:
    await easy.made()
    session = await easy.session()
    refused = await easy.put_user(session, app_metadata={"role": "boss"})
    assert code_of(refused) == (403, "not_admin")


async def test_what_happened_is_told_by_mail_where_that_is_wanted(
    accounts_factory: AccountsFactory,
) -> None:
    kinds = ("PASSWORD_CHANGED", "EMAIL_CHANGED", "PHONE_CHANGED", "IDENTITY_LINKED")
    wanted = {f"GOTRUE_MAILER_NOTIFICATIONS_{kind}_ENABLED": "true" for kind in kinds}
    accounts = await accounts_factory(**CONFIRMING, **wanted)
    session = await begun(accounts, password="battery staple")
    assert len(await accounts.mails("a@example.com", "password_changed")) == 1
    await accounts.click((await accounts.mail("a@example.com", "email_change")).link)
    await accounts.click((await accounts.mail("new@example.com", "email_change")).link)
    assert len(await accounts.mails("a@example.com", "email_changed")) == 1
    await accounts.put_user(session, phone=PHONE)
    await accounts.post("/verify", type="phone_change", phone=PHONE, token=PHONE_CODE)
    assert len(await accounts.mails("new@example.com", "identity_linked")) == 1
    assert await accounts.mails(kind="phone_changed") == []


async def test_a_nonce_cannot_be_guessed_with_a_stolen_session(
    accounts_factory: AccountsFactory,
) -> None:
    more = {"GOTRUE_SECURITY_UPDATE_PASSWORD_REQUIRE_REAUTHENTICATION": "true"}
    accounts = await accounts_factory(**CONFIRMING, **more)
    await accounts.made()
    session = await accounts.session()
    accounts.run("update auth.sessions set created_at = now() - interval '3 days'")
    await accounts.get("/reauthenticate", bearer=session["access_token"])
    tries = [
        (await accounts.put_user(session, password="another horse", nonce="x")).status_code
        for _ in range(11)
    ]
    assert tries == [422] * 10 + [429]
