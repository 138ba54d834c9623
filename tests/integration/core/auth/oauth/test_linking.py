"""Whose account somebody gets: linking by address, and attempts to get into somebody else's."""

from __future__ import annotations

import asyncio

import jwt

from tests.conftest import Database
from tests.integration.core.auth.oauth.conftest import (
    ADMIN,
    Json,
    Start,
    Walker,
    bearer,
    fragment,
    known,
    query,
    rows,
    sign_up,
)
from tests.oidc.servers import SECRET, Forge

AUTOCONFIRM = {"GOTRUE_MAILER_AUTOCONFIRM": "true"}


def subject(end: str) -> str:
    claims = jwt.decode(fragment(end)["access_token"], options={"verify_signature": False})
    return str(claims["sub"])


async def test_a_verified_address_links_to_the_account_that_proved_it(
    start: Start, custom: Json
) -> None:
    walker = await start(**AUTOCONFIRM)
    await known(walker, custom)
    session = await sign_up(walker, "ann@example.com", data={"name": "Mine", "theme": "dark"})
    end = await walker.walk("custom:test", "ann")
    assert subject(end) == session["user"]["id"]
    headers = bearer(fragment(end)["access_token"])
    user = (await walker.core.get("/auth/v1/user", headers=headers)).json()
    assert {identity["provider"] for identity in user["identities"]} == {"email", "custom:test"}
    assert user["app_metadata"]["providers"] == ["email", "custom:test"]
    assert (user["user_metadata"]["theme"], user["user_metadata"]["name"]) == ("dark", "Ann Lee")
    answer = await walker.core.post(
        "/auth/v1/token?grant_type=password",
        json={"email": "ann@example.com", "password": "correct horse"},
    )
    assert answer.status_code == 200


async def test_an_unverified_address_links_to_nobody(start: Start, custom: Json) -> None:
    """Eve claims Ann's address at a provider that never asked her to prove it."""
    walker = await start()
    await known(walker, custom)
    ann = subject(await walker.walk("custom:test", "ann"))
    told = query(await walker.walk("custom:test", "eve"))
    assert (told["error"], told["error_code"]) == (
        "access_denied",
        "provider_email_needs_verification",
    )
    users = (await walker.core.get("/auth/v1/admin/users", headers=ADMIN)).json()["users"]
    by_id = {user["id"]: user for user in users}
    assert [identity["id"] for identity in by_id.pop(ann)["identities"]] == ["ann"]
    (eve,) = by_id.values()
    assert eve["email"] == ""


async def test_an_unverified_address_of_nobody_is_mailed_before_anyone_is_in(
    start: Start, custom: Json, database: Database, tmp_path: object
) -> None:
    walker = await start(GAVAN_INBOX_DIR=str(tmp_path))
    await known(walker, custom)
    told = query(await walker.walk("custom:test", "bob"))
    assert told["error_description"] == (
        "Unverified email with custom:test. "
        "A confirmation email has been sent to your custom:test email"
    )
    sql = "select confirmation_sent_at is not null, email_confirmed_at from auth.users"
    assert rows(database, sql) == [(True, None)]
    assert rows(database, "select from auth.sessions") == []


async def test_unverified_addresses_may_be_let_in(
    start: Start, custom: Json, tmp_path: object
) -> None:
    walker = await start(
        GAVAN_INBOX_DIR=str(tmp_path), GOTRUE_MAILER_ALLOW_UNVERIFIED_EMAIL_SIGN_INS="true"
    )
    await known(walker, custom)
    assert "access_token" in fragment(await walker.walk("custom:test", "bob"))


async def test_who_waits_in_an_unconfirmed_account_is_put_out(
    start: Start, custom: Json, database: Database, tmp_path: object
) -> None:
    """Pre-account takeover: Mallory signs up with Ann's address and a password, and waits."""
    walker = await start(GAVAN_INBOX_DIR=str(tmp_path))
    await known(walker, custom)
    await sign_up(walker, "ann@example.com", data={"name": "Mallory", "is_admin": True})
    (mallory,) = rows(database, "select id from auth.users")
    rows(
        database,
        "insert into auth.sessions (id, user_id, created_at, updated_at)"
        " values (gen_random_uuid(), %s, now(), now()) returning id",
        mallory[0],
    )
    end = await walker.walk("custom:test", "ann")
    assert subject(end) == str(mallory[0])
    login = await walker.core.post(
        "/auth/v1/token?grant_type=password",
        json={"email": "ann@example.com", "password": "correct horse"},
    )
    assert login.json()["error_code"] == "invalid_credentials"
    headers = bearer(fragment(end)["access_token"])
    user = (await walker.core.get("/auth/v1/user", headers=headers)).json()
    assert [identity["provider"] for identity in user["identities"]] == ["custom:test"]
    assert user["user_metadata"]["name"] == "Ann Lee"
    assert "is_admin" not in user["user_metadata"]
    assert len(rows(database, "select from auth.sessions")) == 1
    assert rows(database, "select from auth.one_time_tokens") == []


async def test_a_provider_without_an_address_gets_in_only_when_that_is_wanted(
    start: Start, custom: Json
) -> None:
    walker = await start()
    await known(walker, custom)
    told = query(await walker.walk("custom:test", "cid"))
    assert told["error_description"] == "Error getting user email from external provider"
    await walker.core.put(
        "/auth/v1/admin/custom-providers/custom:test",
        json={"email_optional": True},
        headers=ADMIN,
    )
    end = await walker.walk("custom:test", "cid")
    headers = bearer(fragment(end)["access_token"])
    user = (await walker.core.get("/auth/v1/user", headers=headers)).json()
    assert (user["email"], user["user_metadata"]["name"]) == ("", "Cid")


async def test_linking_domains_keep_people_apart(start: Start, custom: Json) -> None:
    walker = await start(
        **AUTOCONFIRM, GOTRUE_EXPERIMENTAL_PROVIDER_LINKING_DOMAINS="custom:test=work"
    )
    await known(walker, custom)
    own = await sign_up(walker, "ann@example.com")
    end = await walker.walk("custom:test", "ann")
    assert subject(end) != own["user"]["id"]
    headers = bearer(fragment(end)["access_token"])
    user = (await walker.core.get("/auth/v1/user", headers=headers)).json()
    assert user["email"] == "ann@example.com"
    assert subject(await walker.walk("keycloak", "ann", scopes="openid")) == own["user"]["id"]


async def test_parallel_first_visits_make_one_account(
    start: Start, custom: Json, database: Database
) -> None:
    walker = await start()
    await known(walker, custom)
    backs = [await walker.visit(await walker.authorize("custom:test", "ann")) for _ in range(4)]
    ends = await asyncio.gather(*(walker.come_back(back) for back in backs))
    assert len({subject(end) for end in ends}) == 1
    assert len(rows(database, "select from auth.users")) == 1


async def test_what_a_provider_says_gives_nobody_a_role(
    start: Start, forge: Forge, database: Database
) -> None:
    """Role escalation: a forged answer of a provider may fill user_metadata and nothing else."""
    forge.users["mal"] = {
        "id": 7,
        "login": "mal",
        "role": "service_role",
        "app_metadata": {"role": "admin"},
        "aud": "other",
        "is_super_admin": True,
        "name": {"an": "object"},
    }
    forge.emails["mal"] = [{"email": "mal@example.com", "primary": True, "verified": True}]
    walker = await start(**github(forge))
    told = fragment(await walker.walk("github", "mal"))
    claims = jwt.decode(told["access_token"], options={"verify_signature": False})
    assert (claims["role"], claims["aud"]) == ("authenticated", "authenticated")
    assert claims["app_metadata"] == {"provider": "github", "providers": ["github"]}
    assert rows(database, "select is_super_admin from auth.users") == [(None,)]


def github(forge: Forge) -> dict[str, str]:
    return {
        "GOTRUE_EXTERNAL_GITHUB_ENABLED": "true",
        "GOTRUE_EXTERNAL_GITHUB_CLIENT_ID": "forge-client",
        "GOTRUE_EXTERNAL_GITHUB_SECRET": SECRET,
        "GOTRUE_EXTERNAL_GITHUB_URL": forge.url,
    }


async def test_github_says_who_somebody_is_and_which_address_is_theirs(
    start: Start, forge: Forge
) -> None:
    forge.users["octo"] = {
        "id": 583231,
        "login": "octo",
        "name": "The Octopus",
        "email": None,
        "avatar_url": f"{forge.url}/octo.png",
    }
    forge.emails["octo"] = [
        {"email": "Octo@Example.com", "primary": True, "verified": True},
        {"email": "other@example.com", "primary": False, "verified": False},
    ]
    walker = await start(**github(forge))
    there = await walker.authorize("GitHub", "octo", scopes="repo,read:org")
    assert query(there)["scope"] == "user:email repo read:org"
    told = fragment(await walker.come_back(await walker.visit(there)))
    assert told["provider_token"] == "token-of-octo"
    assert "provider_refresh_token" not in told
    user = (await walker.core.get("/auth/v1/user", headers=bearer(told["access_token"]))).json()
    assert user["email"] == "octo@example.com"
    assert user["user_metadata"] == {
        "iss": f"{forge.url}/api/v3",
        "sub": "583231",
        "name": "The Octopus",
        "preferred_username": "octo",
        "avatar_url": f"{forge.url}/octo.png",
        "full_name": "The Octopus",
        "provider_id": "583231",
        "user_name": "octo",
        "email": "octo@example.com",
        "email_verified": True,
        "phone_verified": False,
    }
    asked = dict(forge.asked)["/login/oauth/access_token"]
    assert (asked["client_id"], asked["grant_type"]) == ("forge-client", "authorization_code")


async def test_gitlab_vouches_for_the_confirmed_address_alone(start: Start, forge: Forge) -> None:
    forge.users["tanuki"] = {
        "id": 12,
        "name": "Tanuki",
        "email": "tanuki@example.com",
        "confirmed_at": "2024-01-01T00:00:00Z",
    }
    forge.emails["tanuki"] = [{"id": 1, "email": "ann@example.com"}]
    names = {name.replace("GITHUB", "GITLAB"): value for name, value in github(forge).items()}
    walker = await start(**names, **AUTOCONFIRM | {"GOTRUE_MAILER_AUTOCONFIRM": "false"})
    told = fragment(await walker.walk("gitlab", "tanuki"))
    user = (await walker.core.get("/auth/v1/user", headers=bearer(told["access_token"]))).json()
    assert (user["email"], user["user_metadata"]["sub"]) == ("tanuki@example.com", "12")


async def test_a_provider_that_names_nobody_lets_nobody_in(start: Start, forge: Forge) -> None:
    forge.emails["odd"] = []
    walker = await start(**github(forge))
    odd: tuple[object, ...] = ({"id": "7"}, {}, [], None)
    for user in odd:
        forge.users["odd"] = user  # type: ignore[assignment]
        told = query(await walker.walk("github", "odd"))
        said = "Error getting user profile from external provider"
        assert (told["error"], told["error_description"]) == ("server_error", said)


async def test_an_invitation_is_accepted_by_who_has_the_invited_address(
    start: Start, custom: Json, database: Database, tmp_path: object
) -> None:
    walker = await start(GAVAN_INBOX_DIR=str(tmp_path))
    await known(walker, custom)
    await walker.core.post("/auth/v1/invite", json={"email": "ann@example.com"}, headers=ADMIN)
    (token,) = rows(database, "select confirmation_token from auth.users")[0]
    other = query(await walker.walk("custom:test", "zoe", invite_token=token))
    assert other["error_description"] == (
        "Invited email does not match emails from external provider"
    )
    end = await walker.walk("custom:test", "ann", invite_token=token)
    assert "access_token" in fragment(end)
    found = rows(database, "select email, email_confirmed_at is not null from auth.users")
    assert found == [("ann@example.com", True)]
    again = await walker.core.get(
        "/auth/v1/authorize", params={"provider": "custom:test", "invite_token": token}
    )
    assert (again.status_code, again.json()["error_code"]) == (404, "user_not_found")


async def test_the_walker_is_signed_in_as_who_the_provider_says(start: Start, custom: Json) -> None:
    walker: Walker = await start()
    await known(walker, custom)
    ends = [await walker.walk("custom:test", name) for name in ("ann", "zoe")]
    assert len({subject(end) for end in ends}) == 2


async def test_the_proof_of_one_address_is_none_of_another(
    start: Start, forge: Forge, tmp_path: object
) -> None:
    """Who came with an address of somebody else comes again with one of their own."""
    forge.users["mallory"] = {"id": 66, "login": "mallory"}
    forge.emails["mallory"] = [{"email": "ann@example.com", "primary": True, "verified": False}]
    more = {"GAVAN_INBOX_DIR": str(tmp_path), "GOTRUE_SMTP_MAX_FREQUENCY": "0s"}
    walker = await start(**github(forge), **more)
    told = query(await walker.walk("github", "mallory"))
    assert told["error_code"] == "provider_email_needs_verification"
    forge.emails["mallory"] = [{"email": "m@example.com", "primary": True, "verified": True}]
    told = query(await walker.walk("github", "mallory"))
    assert told["error_code"] == "provider_email_needs_verification"
    (user,) = (await walker.core.get("/auth/v1/admin/users", headers=ADMIN)).json()["users"]
    assert (user["email"], user.get("email_confirmed_at")) == ("ann@example.com", None)


async def test_an_address_that_nobody_vouches_for_draws_its_owner_into_no_account(
    start: Start, forge: Forge, custom: Json
) -> None:
    """A confirmed account has an identity with Ann's address when Ann comes for the first time."""
    forge.users["mallory"] = {"id": 66, "login": "mallory"}
    forge.emails["mallory"] = [{"email": "m@example.com", "primary": True, "verified": True}]
    walker = await start(**github(forge))
    await known(walker, custom)
    mallory = subject(await walker.walk("github", "mallory"))
    forge.emails["mallory"] = [{"email": "ann@example.com", "primary": True, "verified": False}]
    assert subject(await walker.walk("github", "mallory")) == mallory
    assert subject(await walker.walk("custom:test", "ann")) != mallory


async def test_a_banned_user_accepts_no_invitation(
    start: Start, custom: Json, database: Database, tmp_path: object
) -> None:
    walker = await start(GAVAN_INBOX_DIR=str(tmp_path))
    await known(walker, custom)
    answer = await walker.core.post(
        "/auth/v1/invite", json={"email": "ann@example.com"}, headers=ADMIN
    )
    assert answer.status_code == 200, answer.text
    ((token,),) = rows(database, "select token_hash from auth.one_time_tokens")
    path = f"/auth/v1/admin/users/{answer.json()['id']}"
    banned = await walker.core.put(path, json={"ban_duration": "1h"}, headers=ADMIN)
    assert banned.status_code == 200
    told = query(await walker.walk("custom:test", "ann", invite_token=token))
    assert (told["error"], told["error_code"]) == ("access_denied", "user_banned")
    assert rows(database, "select count(*) from auth.sessions") == [(0,)]
