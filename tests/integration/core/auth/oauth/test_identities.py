"""Identities that their owner links and unlinks."""

from __future__ import annotations

import asyncio

import pytest

from tests.conftest import Database
from tests.integration.core.auth.oauth.conftest import (
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
    sign_up,
)

LINKING = {"GOTRUE_SECURITY_MANUAL_LINKING_ENABLED": "true", "GOTRUE_MAILER_AUTOCONFIRM": "true"}


async def link(walker: Walker, session: Json, provider: str, account: str) -> str:
    """Return where the owner of a session is after linking."""
    answer = await walker.core.get(
        "/auth/v1/user/identities/authorize",
        params={
            "provider": provider,
            "login_hint": account,
            "skip_http_redirect": "true",
        },
        headers=bearer(session["access_token"]),
    )
    assert answer.status_code == 200, answer.text
    return await walker.come_back(await walker.visit(answer.json()["url"]))


async def identities(walker: Walker, session: Json) -> dict[str, str]:
    answer = await walker.core.get("/auth/v1/user", headers=bearer(session["access_token"]))
    return {item["provider"]: item["identity_id"] for item in answer.json()["identities"]}


async def unlink(walker: Walker, session: Json, identity_id: str) -> tuple[int, Json]:
    answer = await walker.core.delete(
        f"/auth/v1/user/identities/{identity_id}",
        headers={**bearer(session["access_token"]), **NEW},
    )
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    "path", ["authorize?provider=github", "5b0c6f3e-1f0e-4f6c-9a54-2f6d8f1c7a10"]
)
async def test_linking_that_is_off_says_so(start: Start, path: str) -> None:
    """Trap 46."""
    walker = await start(GOTRUE_MAILER_AUTOCONFIRM="true")
    session = await sign_up(walker, "me@example.com")
    method = "GET" if "authorize" in path else "DELETE"
    answer = await walker.core.request(
        method,
        f"/auth/v1/user/identities/{path}",
        headers={**bearer(session["access_token"]), **NEW},
    )
    assert answer.status_code == 404
    assert answer.json() == {
        "code": "manual_linking_disabled",
        "message": "Manual linking is disabled",
    }


async def test_an_identity_is_linked_whatever_its_address(
    start: Start, custom: Json, database: Database
) -> None:
    walker = await start(**LINKING)
    await known(walker, custom)
    session = await sign_up(walker, "me@example.com")
    end = await link(walker, session, "custom:test", "bob")
    assert "access_token" in fragment(end)
    assert set(await identities(walker, session)) == {"email", "custom:test"}
    (user,) = rows(database, "select email, raw_user_meta_data ->> 'name' from auth.users")
    assert user == ("me@example.com", None)
    trail = rows(database, "select payload ->> 'action' from auth.audit_log_entries")
    assert ("identity_linked",) in trail


async def test_the_browser_can_be_led_at_once(start: Start, custom: Json) -> None:
    walker = await start(**LINKING)
    await known(walker, custom)
    session = await sign_up(walker, "me@example.com")
    answer = await walker.core.get(
        "/auth/v1/user/identities/authorize?provider=custom:test",
        headers=bearer(session["access_token"]),
    )
    assert answer.status_code == 302
    assert "state" in query(answer.headers["location"])


async def test_linking_needs_its_owner(start: Start) -> None:
    walker = await start(**LINKING)
    answer = await walker.core.get("/auth/v1/user/identities/authorize?provider=keycloak")
    assert answer.json()["error_code"] in {"bad_jwt", "no_authorization"}


async def test_an_identity_belongs_to_one_account(start: Start, custom: Json) -> None:
    walker = await start(**LINKING)
    await known(walker, custom)
    mine, other = [await sign_up(walker, f"{name}@example.com") for name in ("me", "you")]
    await link(walker, mine, "custom:test", "ann")
    again = query(await link(walker, mine, "custom:test", "ann"))
    assert again["error_description"] == "Identity is already linked"
    stolen = query(await link(walker, other, "custom:test", "ann"))
    assert (stolen["error_code"], stolen["error_description"]) == (
        "identity_already_exists",
        "Identity is already linked to another user",
    )


async def test_an_anonymous_user_becomes_permanent_with_an_identity(
    start: Start, custom: Json
) -> None:
    walker = await start(**LINKING, GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED="true")
    await known(walker, custom)
    session = (await walker.core.post("/auth/v1/signup", json={"data": {"cart": 3}})).json()
    end = await link(walker, session, "custom:test", "ann")
    user = (
        await walker.core.get("/auth/v1/user", headers=bearer(fragment(end)["access_token"]))
    ).json()
    assert user["id"] == session["user"]["id"]
    assert (user["email"], user["is_anonymous"]) == ("ann@example.com", False)
    assert user["user_metadata"]["cart"] == 3


async def test_the_only_identity_stays(start: Start) -> None:
    """Trap 47."""
    walker = await start(**LINKING)
    session = await sign_up(walker, "me@example.com")
    (only,) = (await identities(walker, session)).values()
    status, said = await unlink(walker, session, only)
    assert (status, said["code"]) == (422, "single_identity_not_deletable")


async def test_unlinking_what_is_not_ones_own_is_refused(start: Start, custom: Json) -> None:
    walker = await start(**LINKING)
    await known(walker, custom)
    mine, other = [await sign_up(walker, f"{name}@example.com") for name in ("me", "you")]
    await link(walker, mine, "custom:test", "bob")
    (theirs,) = (await identities(walker, other)).values()
    assert (await unlink(walker, mine, theirs))[1]["code"] == "identity_not_found"
    assert await identities(walker, other)
    status, said = await unlink(walker, mine, "no-uuid")
    assert (status, said["code"]) == (404, "validation_failed")


async def test_the_account_takes_the_address_of_the_identity_it_is_left_with(
    start: Start, custom: Json, database: Database
) -> None:
    walker = await start(**LINKING)
    await known(walker, custom)
    session = await sign_up(walker, "me@example.com")
    await link(walker, session, "custom:test", "ann")
    rows(
        database,
        "insert into auth.one_time_tokens (id, user_id, token_type, token_hash, relates_to)"
        " select gen_random_uuid(), id, 'recovery_token', 'x', email from auth.users returning id",
    )
    status, said = await unlink(walker, session, (await identities(walker, session))["email"])
    assert (status, said) == (200, {})
    sql = "select email, email_confirmed_at is not null, raw_app_meta_data -> 'providers'"
    assert rows(database, f"{sql} from auth.users") == [("ann@example.com", True, ["custom:test"])]
    assert rows(database, "select from auth.one_time_tokens") == []


async def test_an_address_nobody_vouches_for_is_not_confirmed_any_more(
    start: Start, custom: Json, database: Database
) -> None:
    walker = await start(**LINKING | {"GOTRUE_MAILER_AUTOCONFIRM": "true"})
    await known(walker, custom)
    session = await sign_up(walker, "me@example.com")
    await link(walker, session, "custom:test", "bob")
    walker = await start(**LINKING | {"GOTRUE_MAILER_AUTOCONFIRM": "false"})
    await unlink(walker, session, (await identities(walker, session))["email"])
    sql = "select email, email_confirmed_at, raw_user_meta_data -> 'email_verified'"
    assert rows(database, f"{sql} from auth.users") == [("bob@example.com", None, False)]


async def test_unlinking_cannot_take_somebody_elses_address(start: Start, custom: Json) -> None:
    walker = await start(**LINKING)
    await known(walker, custom)
    mine = await sign_up(walker, "me@example.com")
    await sign_up(walker, "bob@example.com")
    await link(walker, mine, "custom:test", "bob")
    status, said = await unlink(walker, mine, (await identities(walker, mine))["email"])
    assert (status, said["code"]) == (422, "email_conflict_identity_not_deletable")


async def test_parallel_unlinking_leaves_one_identity(start: Start, custom: Json) -> None:
    walker = await start(**LINKING)
    await known(walker, custom)
    session = await sign_up(walker, "me@example.com")
    await link(walker, session, "custom:test", "ann")
    known_ids = (await identities(walker, session)).values()
    answers = await asyncio.gather(*(unlink(walker, session, item) for item in known_ids))
    assert sorted(status for status, _ in answers) == [200, 422]
    assert len(await identities(walker, session)) == 1


async def test_linking_leads_back_to_where_it_was_asked_from(start: Start, custom: Json) -> None:
    walker = await start(**LINKING)
    await known(walker, custom)
    session = await sign_up(walker, "me@example.com")
    answer = await walker.core.get(
        "/auth/v1/user/identities/authorize",
        params={
            "provider": "custom:test",
            "login_hint": "ann",
            "redirect_to": f"{SITE}/account",
            "skip_http_redirect": "true",
        },
        headers=bearer(session["access_token"]),
    )
    end = await walker.come_back(await walker.visit(answer.json()["url"]))
    assert end.startswith(f"{SITE}/account#")
