"""Invitations, generated links, imported hashes and the audit log, for the service role."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from argon2 import PasswordHasher, Type

from tests.integration.core.auth.accounts import (
    CONFIRMING,
    PASSWORD,
    Accounts,
    AccountsFactory,
    code_of,
    fragment_of,
    query_of,
)


async def generated(accounts: Accounts, link_type: str, **more: Any) -> dict[str, Any]:
    response = await accounts.admin(
        "POST", "/admin/generate_link", type=link_type, email="a@example.com", **more
    )
    assert response.status_code == 200, response.text
    link: dict[str, Any] = response.json()
    return link


async def test_a_sign_up_link_has_the_data_as_it_was_sent(confirming: Accounts) -> None:
    """Trap 39."""
    link = await generated(confirming, "signup", password=PASSWORD, data={"name": "Ann"})
    assert link["user_metadata"] == {"name": "Ann"}
    assert link["email"] == "a@example.com"
    assert link["verification_type"] == "signup"
    assert link["redirect_to"] == "http://localhost:5173"
    assert "?token=" in link["action_link"]
    assert query_of(link["action_link"]) == {
        "token": link["hashed_token"],
        "type": "signup",
        "redirect_to": "http://localhost:5173",
    }
    assert await confirming.mails() == []
    answer = await confirming.post(
        "/verify", type="signup", email="a@example.com", token=link["email_otp"]
    )
    assert answer.json()["user"]["email_confirmed_at"]
    await confirming.session()
    again = await confirming.admin(
        "POST", "/admin/generate_link", type="signup", email="a@example.com", password=PASSWORD
    )
    assert code_of(again) == (422, "email_exists")


@pytest.mark.parametrize("link_type", ["magiclink", "recovery", "invite"])
async def test_links_lead_in_as_those_of_mails_do(confirming: Accounts, link_type: str) -> None:
    await confirming.made(email_confirm=link_type != "invite")
    await generated(confirming, link_type)
    link = await generated(confirming, link_type)  # at once: no frequency limit
    assert link["verification_type"] == link_type
    assert fragment_of(await confirming.click(link["action_link"]))["type"] == link_type


async def test_a_magic_link_for_nobody_is_a_sign_up(confirming: Accounts) -> None:
    link = await generated(confirming, "magiclink")
    assert link["verification_type"] == "signup"
    assert "access_token" in fragment_of(await confirming.click(link["action_link"]))


async def test_both_links_of_an_email_change_make_one(confirming: Accounts) -> None:
    """Trap 40."""
    await confirming.made()
    current = await generated(confirming, "email_change_current", new_email="New@example.com")
    assert current["new_email"] == "new@example.com"
    assert query_of(current["action_link"])["type"] == "email_change"
    new = await generated(confirming, "email_change_new", new_email="New@example.com")
    half = await confirming.click(current["action_link"])
    assert "message" in fragment_of(half)
    whole = await confirming.post(
        "/verify", type="email_change", email="new@example.com", token=new["email_otp"]
    )
    assert whole.json()["user"]["email"] == "new@example.com"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"type": "recovery"}, 404, "user_not_found"),
        ({"type": "email_change_current", "new_email": "n@b.co"}, 404, "user_not_found"),
        ({"type": "signup"}, 400, "validation_failed"),
        ({"type": "signup", "password": "123"}, 422, "weak_password"),
        ({"type": "nonsense"}, 400, "validation_failed"),
        ({"type": "signup", "email": "xx"}, 400, "validation_failed"),
        (
            {"type": "email_change_new", "email": "b@example.com", "new_email": "b@example.com"},
            200,
            "",
        ),
        (
            {"type": "email_change_new", "email": "b@example.com", "new_email": "c@example.com"},
            422,
            "email_exists",
        ),
        ({"type": "invite", "email": "b@example.com"}, 422, "email_exists"),
    ],
)
async def test_a_link_that_cannot_be_is_refused(
    confirming: Accounts, body: dict[str, str], status: int, code: str
) -> None:
    """Trap 7 among them."""
    await confirming.made("b@example.com")
    await confirming.made("c@example.com")
    answer = await confirming.admin(
        "POST", "/admin/generate_link", **({"email": "a@example.com"} | body)
    )
    assert code_of(answer) == (status, code)


async def test_a_change_by_the_new_address_alone_has_no_current_link(
    accounts_factory: AccountsFactory,
) -> None:
    accounts = await accounts_factory(
        **CONFIRMING, GOTRUE_MAILER_SECURE_EMAIL_CHANGE_ENABLED="false"
    )
    await accounts.made()
    refused = await accounts.admin(
        "POST",
        "/admin/generate_link",
        type="email_change_current",
        email="a@example.com",
        new_email="new@example.com",
    )
    assert code_of(refused) == (400, "validation_failed")


async def test_the_target_of_a_link_has_to_be_allowed(confirming: Accounts) -> None:
    for wished, reached in (
        ("http://localhost:5173/done", "http://localhost:5173/done"),
        ("https://evil.example", "http://localhost:5173"),
    ):
        link = await generated(confirming, "magiclink", redirect_to=wished)
        assert link["redirect_to"] == reached


async def test_an_invitation_is_mailed_and_may_be_repeated(confirming: Accounts) -> None:
    for _ in range(2):
        invited = await confirming.admin(
            "POST", "/invite", email="A@example.com", data={"team": "x"}
        )
        assert invited.json()["user_metadata"] == {"team": "x"}
    first, second = await confirming.mails("a@example.com", "invite")
    late = await confirming.click(first.link)
    assert fragment_of(late)["error_code"] == "otp_expired"
    assert fragment_of(await confirming.click(second.link))["type"] == "invite"
    again = await confirming.admin("POST", "/invite", email="a@example.com")
    assert code_of(again) == (422, "email_exists")
    bad = await confirming.admin("POST", "/invite", email="xx")
    assert bad.json()["message"] == "Unable to validate email address: invalid format"


# The example in Firebase's description of its scrypt (github.com/firebase/scrypt).
FIREBASE = (
    "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLN"
    "mdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qz"
    "rCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
)


async def test_a_hash_of_firebase_is_taken_over(easy: Accounts) -> None:
    await easy.made(password=None, password_hash=FIREBASE)
    await easy.session(password="user1password")
    wrong = await easy.post(
        "/token?grant_type=password", email="a@example.com", password="user2password"
    )
    assert code_of(wrong) == (400, "invalid_credentials")


@pytest.mark.parametrize("kind", [Type.I, Type.ID])
async def test_argon2_hashes_are_taken_over(easy: Accounts, kind: Type) -> None:
    hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1, type=kind)
    await easy.made(password=None, password_hash=hasher.hash("imported"))
    assert (await easy.session(password="imported"))["user"]["email"] == "a@example.com"
    wrong = await easy.post("/token?grant_type=password", email="a@example.com", password="guessed")
    assert code_of(wrong) == (400, "invalid_credentials")


async def test_hashes_nobody_can_verify_are_refused(easy: Accounts) -> None:
    for password_hash in (
        "plain text",
        "$2b$99$" + "a" * 53,
        "$argon2d$v=19$m=64,t=1,p=1$c29tZXNhbHQ$aGFzaGhhc2g",
        "$argon2id$v=16$m=64,t=1,p=1$c29tZXNhbHQ$aGFzaGhhc2g",
        "$argon2id$v=19$m=2000000,t=1,p=1$c29tZXNhbHQ$aGFzaGhhc2g",
        "$argon2id$v=19$m=64,t=21,p=1$c29tZXNhbHQ$aGFzaGhhc2g",
        "$argon2id$v=19$m=64,t=1,p=1,keyid=a$c29tZXNhbHQ$aGFzaGhhc2g",
        FIREBASE.replace("v=1,", "v=2,"),
        FIREBASE.replace("n=14", "n=30"),
    ):
        refused = await easy.admin(
            "POST", "/admin/users", email="a@example.com", password_hash=password_hash
        )
        assert code_of(refused) == (400, "validation_failed"), refused.text


async def test_a_user_without_a_password_gets_one_that_nobody_knows(easy: Accounts) -> None:
    await easy.made(password=None)
    assert easy.row("select encrypted_password from auth.users")[0].startswith("$2b$")
    for guess in ("", "None"):
        login = await easy.post("/token?grant_type=password", email="a@example.com", password=guess)
        assert code_of(login) == (400, "invalid_credentials")


async def test_the_audit_log_tells_who_did_what(easy: Accounts) -> None:
    user = await easy.made(user_metadata={"full_name": "Ann Example"})
    session = await easy.session()
    await easy.post("/token?grant_type=refresh_token", refresh_token=session["refresh_token"])
    await easy.post("/logout", bearer=session["access_token"])
    listed = await easy.admin("GET", "/admin/audit?per_page=2")
    assert listed.headers["x-total-count"] == "5"
    assert listed.json()[0]["payload"]["action"] == "logout"
    assert listed.headers["link"] == (
        '</admin/audit?page=2&per_page=2>; rel="next", </admin/audit?page=3&per_page=2>; rel="last"'
    )
    logins = (await easy.admin("GET", "/admin/audit?query=action:login")).json()
    assert [entry["payload"] for entry in logins] == [
        {
            "actor_id": user["id"],
            "actor_via_sso": False,
            "actor_username": "a@example.com",
            "actor_name": "Ann Example",
            "action": "login",
            "log_type": "account",
            "traits": {"provider": "email"},
        }
    ]
    made = (await easy.admin("GET", "/admin/audit?query=author:service_role")).json()
    assert [entry["payload"]["traits"]["user_id"] for entry in made] == [user["id"]]
    tokens = (await easy.admin("GET", "/admin/audit?query=type:token")).json()
    assert {entry["payload"]["action"] for entry in tokens} == {"token_refreshed", "token_revoked"}
    bad = await easy.admin("GET", "/admin/audit?query=color:red")
    assert code_of(bad) == (400, "validation_failed")
    assert code_of(await easy.get("/admin/audit")) == (403, "not_admin")


async def test_the_audit_log_may_stay_out_of_postgres(accounts_factory: AccountsFactory) -> None:
    accounts = await accounts_factory(GOTRUE_AUDIT_LOG_DISABLE_POSTGRES="true")
    await accounts.made()
    await accounts.session()
    assert accounts.actions() == []


async def test_an_unknown_order_is_refused(easy: Accounts) -> None:
    for sort in ("email asc", "created_at sideways", "created_at; drop"):
        refused = await easy.admin("GET", f"/admin/users?sort={sort}")
        assert code_of(refused) == (400, "validation_failed"), refused.text


async def test_an_unknown_user_is_a_404(easy: Accounts) -> None:
    """Trap 41."""
    for method in ("GET", "PUT", "DELETE"):
        answer = await easy.admin(method, f"/admin/users/{uuid4()}")
        assert code_of(answer) == (404, "user_not_found")


async def test_a_new_password_by_the_administrator_ends_every_session(easy: Accounts) -> None:
    user = await easy.made()
    session = await easy.session()
    changed = await easy.admin("PUT", f"/admin/users/{user['id']}", password="battery staple")
    assert changed.status_code == 200
    assert code_of(await easy.get("/user", bearer=session["access_token"])) == (
        403,
        "session_not_found",
    )


async def test_an_address_given_by_the_administrator_is_an_identity(easy: Accounts) -> None:
    session = (await easy.post("/signup")).json()
    path = f"/admin/users/{session['user']['id']}"
    unproved = (await easy.admin("PUT", path, email="a@example.com")).json()
    assert (unproved["email"], unproved["is_anonymous"]) == ("a@example.com", True)
    proved = (
        await easy.admin("PUT", path, email="b@example.com", email_confirm=True, phone="+15550001")
    ).json()
    assert (proved["email"], proved["phone"], proved["is_anonymous"]) == (
        "b@example.com",
        "15550001",
        False,
    )
    data = {entry["provider"]: entry["identity_data"] for entry in proved["identities"]}
    assert data["email"]["email"] == "b@example.com"
    assert data["email"]["email_verified"] is True
    assert data["phone"]["phone_verified"] is False
    other = await easy.made("taken@example.com")
    taken = await easy.admin("PUT", path, email=other["email"])
    assert code_of(taken) == (422, "email_exists")
