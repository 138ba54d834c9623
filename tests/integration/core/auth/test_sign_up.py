"""Sign-up where addresses have to be proved, by phone, and as nobody in particular."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from tests.integration.core.auth.accounts import (
    CONFIRMING,
    NEW,
    PASSWORD,
    PHONE,
    PHONE_CODE,
    PKCE,
    Accounts,
    AccountsFactory,
    code_of,
    query_of,
)


async def sign_up(accounts: Accounts, email: str = "a@example.com", **more: Any) -> Any:
    response = await accounts.post("/signup", email=email, password=PASSWORD, **more)
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_new_address_is_asked_to_prove_itself(confirming: Accounts) -> None:
    response = await confirming.post(
        "/signup", email="Ann@Example.com", password=PASSWORD, data={"name": "Ann"}
    )
    user = response.json()
    assert "access_token" not in user
    assert user["confirmation_sent_at"]
    assert "email_confirmed_at" not in user
    assert user["email"] == "ann@example.com"
    assert user["role"] == "authenticated"
    assert user["user_metadata"] == {
        "name": "Ann",
        "sub": user["id"],
        "email": "ann@example.com",
        "email_verified": False,
        "phone_verified": False,
    }
    assert [identity["provider"] for identity in user["identities"]] == ["email"]
    mail = await confirming.mail("ann@example.com")
    assert mail.kind == "confirmation"
    stored = confirming.row("select confirmation_token from auth.users")[0]
    assert query_of(mail.link)["token"] == stored
    assert confirming.row(
        "select token_type::text, token_hash, relates_to from auth.one_time_tokens"
    ) == ("confirmation_token", stored, "ann@example.com")
    assert len(stored) == 56
    assert confirming.actions() == ["user_confirmation_requested"]


async def test_a_proved_address_answers_as_a_new_one_and_nothing_is_sent(
    confirming: Accounts,
) -> None:
    """Trap 1: 200 with another id and no identities."""
    owner = await confirming.made(user_metadata={"name": "Ann"}, phone=PHONE)
    again = await confirming.post(
        "/signup", email="A@example.com", password="guess me", data={"mine": 1}
    )
    answer = again.json()
    assert again.status_code == 200
    assert answer["id"] != owner["id"]
    assert (answer["identities"], answer["role"]) == ([], "")
    assert answer["user_metadata"] == {"mine": 1}
    assert answer["app_metadata"] == {"provider": "email", "providers": ["email"]}
    assert answer["phone"] == ""
    assert set(answer) == {
        *("id", "aud", "role", "email", "phone", "confirmation_sent_at", "app_metadata"),
        *("user_metadata", "identities", "created_at", "updated_at", "is_anonymous"),
    }
    assert await confirming.mails() == []
    assert confirming.row("select count(*) from auth.users")[0] == 1
    assert confirming.actions()[-1] == "user_repeated_signup"
    assert (await confirming.session())["user"]["user_metadata"]["name"] == "Ann"


async def test_an_unproved_address_gets_another_mail_and_keeps_its_first_password(
    confirming: Accounts,
) -> None:
    await sign_up(confirming)
    first = confirming.row("select encrypted_password, raw_user_meta_data from auth.users")
    again = await confirming.post("/signup", email="a@example.com", password="an other one")
    assert again.status_code == 200
    assert confirming.row("select encrypted_password, raw_user_meta_data from auth.users") == first
    assert len(await confirming.mails("a@example.com", "confirmation")) == 2


async def test_a_second_mail_has_to_wait(accounts_factory: AccountsFactory) -> None:
    accounts = await accounts_factory(**CONFIRMING | {"GOTRUE_SMTP_MAX_FREQUENCY": "60s"})
    body = {"email": "a@example.com", "password": PASSWORD}
    answers = await asyncio.gather(*(accounts.post("/signup", **body) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 429, 429]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["code"] == "over_email_send_rate_limit"
    assert refused.json()["message"].startswith(
        "For security purposes, you can only request this after"
    )
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert len(await accounts.mails()) == 1


async def test_an_invited_user_who_signs_up_sees_nothing_of_the_invitation(
    confirming: Accounts,
) -> None:
    invited = await confirming.admin("POST", "/invite", email="a@example.com", data={"team": "x"})
    assert invited.status_code == 200
    answer = (await confirming.post("/signup", email="a@example.com", password=PASSWORD)).json()
    assert (answer["identities"], answer["user_metadata"]) == ([], {})


async def test_a_mail_that_cannot_leave_undoes_the_sign_up(
    accounts_factory: AccountsFactory,
) -> None:
    accounts = await accounts_factory(
        **CONFIRMING,
        GAVAN_INBOX_DIR="",
        GOTRUE_SMTP_HOST="127.0.0.1",
        GOTRUE_SMTP_PORT="1",
        GOTRUE_RATE_LIMIT_EMAIL_SENT="100",
    )
    failed = await accounts.post("/signup", email="a@example.com", password=PASSWORD)
    assert failed.status_code == 500
    assert failed.json()["message"] == "Error sending confirmation email"
    assert accounts.row("select count(*) from auth.users")[0] == 0


async def test_an_unproved_user_of_easy_days_is_confirmed_on_the_next_sign_up(
    easy: Accounts,
) -> None:
    made = await easy.made(email_confirm=False)
    again = await easy.post("/signup", email="a@example.com", password="another one")
    assert again.json()["user"]["id"] == made["id"]
    assert again.json()["user"]["email_confirmed_at"]
    assert (await easy.session())["user"]["id"] == made["id"]


async def test_a_taken_address_is_named_where_nothing_is_proved(easy: Accounts) -> None:
    """Trap 2."""
    await easy.made()
    again = await easy.post("/signup", email="a@example.com", password=PASSWORD)
    assert code_of(again) == (422, "user_already_exists")
    assert again.json()["message"].startswith("User already registered")


async def test_an_address_that_is_an_identity_of_another_account_is_taken(
    confirming: Accounts,
) -> None:
    user = await confirming.made("first@example.com")
    confirming.run(
        "insert into auth.identities (provider_id, user_id, identity_data, provider)"
        " values ('g1', %s, '{\"email\": \"A@example.com\"}', 'google')",
        user["id"],
    )
    answer = (await confirming.post("/signup", email="a@example.com", password=PASSWORD)).json()
    assert answer["identities"] == []
    assert confirming.row("select count(*) from auth.users")[0] == 1


async def test_an_unproved_account_of_a_provider_gives_way_to_the_sign_up(
    confirming: Accounts,
) -> None:
    """Who plants an identity at an unproved address gains nothing by its owner's sign-up."""
    confirming.run(
        "insert into auth.users (instance_id, id, aud, role, email, raw_user_meta_data)"
        " values ('00000000-0000-0000-0000-000000000000', gen_random_uuid(), 'authenticated',"
        " 'authenticated', 'a@example.com', '{\"planted\": true}')"
    )
    confirming.run(
        "insert into auth.identities (provider_id, user_id, identity_data, provider)"
        " select 'evil', id, '{\"sub\": \"evil\"}', 'github' from auth.users"
    )
    await sign_up(confirming)
    assert confirming.rows("select provider from auth.identities") == [("email",)]
    metadata, providers = confirming.row(
        "select raw_user_meta_data, raw_app_meta_data from auth.users"
    )
    assert "planted" not in metadata
    assert providers == {"provider": "email", "providers": ["email"]}


async def test_nobody_in_particular_gets_a_session(easy: Accounts) -> None:
    response = await easy.post("/signup", data={"theme": "dark"}, password="ignored")
    session = response.json()
    user = session["user"]
    assert user["is_anonymous"] is True
    assert (user["email"], user["phone"], user["app_metadata"]) == ("", "", {})
    assert user["user_metadata"] == {"theme": "dark"}
    assert user["identities"] == []
    assert easy.row("select authentication_method from auth.mfa_amr_claims")[0] == "anonymous"
    assert easy.row("select encrypted_password from auth.users")[0] == ""


async def test_an_empty_sign_up_is_refused_in_the_order_of_upstream(
    accounts_factory: AccountsFactory,
) -> None:
    """Traps 3 and 4."""
    closed = await accounts_factory(GOTRUE_DISABLE_SIGNUP="true")
    assert code_of(await closed.post("/signup")) == (422, "signup_disabled")
    for path in ("/otp", "/magiclink"):
        refused = await closed.post(path, email="a@example.com")
        assert code_of(refused) == (422, "signup_disabled")


async def test_anonymous_sign_in_may_be_off(confirming: Accounts) -> None:
    assert code_of(await confirming.post("/signup")) == (422, "anonymous_provider_disabled")


async def test_a_phone_signs_up_by_text_and_in_by_password(confirming: Accounts) -> None:
    """Trap 45: whatever way the number is written, it is one number, shown without plus."""
    response = await confirming.post("/signup", phone=f"+{PHONE}", password=PASSWORD)
    user = response.json()
    assert "access_token" not in user
    assert user["phone"] == PHONE
    assert user["app_metadata"] == {"provider": "phone", "providers": ["phone"]}
    early = await confirming.post("/token?grant_type=password", phone=PHONE, password=PASSWORD)
    assert code_of(early) == (400, "phone_not_confirmed")
    proved = await confirming.post("/verify", type="sms", phone="+1 555 0001", token=PHONE_CODE)
    assert proved.status_code == 200, proved.text
    assert proved.json()["user"]["phone_confirmed_at"], proved.text
    signed_in = await confirming.post(
        "/token?grant_type=password", phone=f"+{PHONE}", password=PASSWORD
    )
    assert signed_in.json()["user"]["phone"] == PHONE


async def test_a_text_that_cannot_leave_undoes_the_sign_up(confirming: Accounts) -> None:
    failed = await confirming.post("/signup", phone="4915550000", password=PASSWORD)
    assert (failed.status_code, failed.json()["message"]) == (500, "Unable to get SMS provider")
    assert confirming.row("select count(*) from auth.users")[0] == 0


async def test_a_malformed_sign_up_is_refused(confirming: Accounts) -> None:
    """Traps 5 and 7 among them."""
    for body, status, code, text in (
        ({"email": "a@b.co"}, 400, "validation_failed", "Signup requires a valid password"),
        ({"email": "a@b.co", "password": "123"}, 422, "weak_password", "at least 6"),
        (
            {"email": "a@b.co", "phone": PHONE, "password": PASSWORD},
            400,
            "validation_failed",
            "Only an email address or phone number should be provided on signup.",
        ),
        (
            {"phone": PHONE, "password": PASSWORD, "channel": "pigeon"},
            400,
            "validation_failed",
            "Invalid channel",
        ),
        (
            {"phone": PHONE, "password": PASSWORD, **PKCE},
            400,
            "validation_failed",
            "PKCE not supported for phone signups",
        ),
        (
            {"phone": "0123", "password": PASSWORD},
            400,
            "validation_failed",
            "Invalid phone number format (E.164 required)",
        ),
        (
            {"email": "xx", "password": PASSWORD},
            400,
            "validation_failed",
            "Unable to validate email address: invalid format",
        ),
        ({"email": "a" * 251 + "@b.co", "password": PASSWORD}, 400, "validation_failed", "long"),
    ):
        refused = await confirming.post("/signup", **body)
        assert code_of(refused) == (status, code), body
        assert text in refused.json()["message"]


async def test_providers_that_are_off_take_nobody(accounts_factory: AccountsFactory) -> None:
    accounts = await accounts_factory(GOTRUE_EXTERNAL_EMAIL_ENABLED="false")
    for body, code, message in (
        ({"email": "a@b.co"}, "email_provider_disabled", "Email signups are disabled"),
        ({"phone": PHONE}, "phone_provider_disabled", "Phone signups are disabled"),
    ):
        refused = await accounts.post("/signup", password=PASSWORD, **body)
        assert code_of(refused) == (400, code)
        assert refused.json()["message"] == message
        login = await accounts.post("/token?grant_type=password", password=PASSWORD, **body)
        assert code_of(login) == (422, code)


async def test_a_trigger_of_the_stack_that_fails_undoes_the_sign_up(
    confirming: Accounts,
) -> None:
    confirming.run(
        "create function public.refuse() returns trigger language plpgsql as"
        " $$begin raise exception 'no more seats'; end$$"
    )
    confirming.run(
        "create trigger refuse after insert on auth.users for each row"
        " execute function public.refuse()"
    )
    failed = await confirming.post("/signup", email="a@example.com", password=PASSWORD)
    assert code_of(failed) == (500, "unexpected_failure")
    assert failed.json()["message"] == "Database error saving new user"
    assert await confirming.mails() == []


@pytest.mark.parametrize(
    ("raised", "status", "told"),
    [
        ("'no more seats'", 500, {"code": "P0001", "message": "no more seats"}),
        (
            "sqlstate 'PT402' using message = 'pay first', hint = 'by card', detail = 'plan a'",
            402,
            {"code": "PT402", "message": "pay first", "hint": "by card", "detail": "plan a"},
        ),
    ],
)
async def test_a_client_without_a_version_reads_what_a_trigger_raised(
    confirming: Accounts, raised: str, status: int, told: dict[str, str]
) -> None:
    confirming.run(
        "create function public.refuse() returns trigger language plpgsql as"
        f" $$begin raise exception {raised}; end$$"
    )
    confirming.run(
        "create trigger refuse after insert on auth.users for each row"
        " execute function public.refuse()"
    )
    body = {"email": "a@example.com", "password": PASSWORD}
    old = await confirming.client.post("/auth/v1/signup", json=body)
    assert (old.status_code, old.json()) == (status, told)
    current = await confirming.post("/signup", **body)
    assert code_of(current) == (500, "unexpected_failure")


async def test_a_role_in_user_metadata_is_only_a_word(easy: Accounts) -> None:
    """Role escalation: neither the row's role nor the token's comes from what users write."""
    wanted = {"role": "service_role", "is_super_admin": True, "app_metadata": {"role": "admin"}}
    session = (
        await easy.post("/signup", email="a@example.com", password=PASSWORD, data=wanted)
    ).json()
    assert session["user"]["role"] == "authenticated"
    changed = await easy.put_user(session, data=wanted)
    assert changed.json()["role"] == "authenticated"
    assert easy.row(
        "select role, is_super_admin, raw_app_meta_data ->> 'role' from auth.users"
    ) == (
        "authenticated",
        None,
        None,
    )
    listed = await easy.get("/admin/users", bearer=session["access_token"])
    assert code_of(listed) == (403, "not_admin")


async def test_a_hook_of_the_stack_may_refuse_a_new_user(
    accounts_factory: AccountsFactory,
) -> None:
    accounts = await accounts_factory(
        GOTRUE_HOOK_BEFORE_USER_CREATED_ENABLED="true",
        GOTRUE_HOOK_BEFORE_USER_CREATED_URI="pg-functions://postgres/public/gatekeeper",
        GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED="true",
    )
    accounts.run(
        """
        create function public.gatekeeper(event jsonb) returns jsonb language sql as $$
            select case when event -> 'user' ->> 'email' like '%@example.com' then '{}'::jsonb
                else '{"error": {"http_code": 403, "message": "not of us"}}' end
        $$
        """
    )
    accounts.run("grant execute on function public.gatekeeper to supabase_auth_admin")
    strange = {"email": "a@elsewhere.io", "password": PASSWORD}
    for refused in (
        await accounts.post("/signup", **strange),
        await accounts.post("/signup"),
        await accounts.admin("POST", "/invite", email="a@elsewhere.io"),
        await accounts.admin("POST", "/admin/generate_link", type="signup", **strange),
    ):
        assert (refused.status_code, refused.json()["message"]) == (403, "not of us")
    welcome = await accounts.post("/signup", email="a@example.com", password=PASSWORD)
    assert welcome.status_code == 200


async def test_parallel_sign_ups_of_one_unproved_address_make_one_user(
    confirming: Accounts,
) -> None:
    body = {"email": "a@example.com", "password": PASSWORD}
    answers = await asyncio.gather(*(confirming.post("/signup", **body) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    with pytest.raises(psycopg.errors.UniqueViolation):
        confirming.run(
            "insert into auth.users (id, email) values (gen_random_uuid(), 'a@example.com')"
        )


async def test_another_audience_does_not_tell_who_has_an_account(confirming: Accounts) -> None:
    await confirming.made()
    answers = [
        await confirming.client.post(
            "/auth/v1/signup",
            json={"email": email, "password": PASSWORD},
            headers=NEW | {"X-JWT-AUD": "other"},
        )
        for email in ("a@example.com", "new@example.com")
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert await confirming.mails("a@example.com") == []
