"""Access tokens as a function of the stack wants them, at every sign-in and refresh."""

from __future__ import annotations

from typing import Any

import pytest

from gavan.kit.jwt import Verifier, shared_key
from gavan.kit.secret import Secret
from tests.conftest import JWT_SECRET
from tests.integration.core.auth.accounts import Accounts, AccountsFactory, code_of

FUNCTION = """
create function public.claims(event jsonb) returns jsonb language sql as $$
  select jsonb_build_object('claims', {change})
$$;
grant execute on function public.claims to supabase_auth_admin;
revoke execute on function public.claims from anon, authenticated, public;
"""
ADD = """jsonb_set(event -> 'claims', '{app_metadata,how}', event -> 'authentication_method')"""


async def with_function(make: AccountsFactory, change: str) -> Accounts:
    accounts = await make(
        GOTRUE_HOOK_CUSTOM_ACCESS_TOKEN_ENABLED="true",
        GOTRUE_HOOK_CUSTOM_ACCESS_TOKEN_URI="pg-functions://postgres/public/claims",
    )
    accounts.run(FUNCTION.format(change=change))
    await accounts.made()
    return accounts


def claims(session: dict[str, Any]) -> Any:
    return Verifier([shared_key(Secret(JWT_SECRET))]).verify(session["access_token"]).raw


async def test_the_function_adds_a_claim_and_hears_how_the_user_came(
    accounts_factory: AccountsFactory,
) -> None:
    accounts = await with_function(accounts_factory, ADD)
    session = await accounts.session()
    assert claims(session)["app_metadata"]["how"] == "password"
    assert "how" not in session["user"]["app_metadata"], "the account itself is as it was"
    token = session["refresh_token"]
    again = await accounts.post("/token?grant_type=refresh_token", refresh_token=token)
    assert claims(again.json())["app_metadata"]["how"] == "token_refresh"


async def test_a_token_may_lose_user_metadata_but_not_its_role(
    accounts_factory: AccountsFactory,
) -> None:
    """Trap 58."""
    accounts = await with_function(accounts_factory, "(event -> 'claims') - 'user_metadata'")
    assert "user_metadata" not in claims(await accounts.session())
    accounts.run(
        "create or replace"
        + FUNCTION.format(change="(event -> 'claims') - 'role'").strip().removeprefix("create")
    )
    body = {"email": "a@example.com", "password": "correct horse"}
    refused = await accounts.post("/token?grant_type=password", **body)
    assert refused.status_code == 500
    assert "do not conform" in refused.json()["message"]


@pytest.mark.parametrize("change", ["1 / 0", "jsonb_build_array()"])
async def test_a_function_that_fails_signs_nobody_in_and_rotates_nothing(
    accounts_factory: AccountsFactory, change: str
) -> None:
    accounts = await with_function(accounts_factory, "event -> 'claims'")
    session = await accounts.session()
    accounts.run(
        "create or replace" + FUNCTION.format(change=change).strip().removeprefix("create")
    )
    token = session["refresh_token"]
    failed = await accounts.post("/token?grant_type=refresh_token", refresh_token=token)
    assert code_of(failed) == (500, "unexpected_failure")
    accounts.run(
        "create or replace"
        + FUNCTION.format(change="event -> 'claims'").strip().removeprefix("create")
    )
    again = await accounts.post("/token?grant_type=refresh_token", refresh_token=token)
    assert again.status_code == 200, "the token at hand is still good"
