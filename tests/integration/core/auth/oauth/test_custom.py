"""Custom providers: what an administrator may name, and where the service lets itself be led."""

from __future__ import annotations

import pytest

from tests.conftest import Database
from tests.integration.core.auth.oauth.conftest import (
    ADMIN,
    NEW,
    Json,
    Start,
    bearer,
    fragment,
    known,
    query,
    rows,
)
from tests.oidc.servers import SECRET

PATH = "/auth/v1/admin/custom-providers"
HEADERS = {**ADMIN, **NEW}


async def test_a_provider_is_made_shown_changed_and_deleted(
    start: Start, custom: Json, issuer: str
) -> None:
    walker = await start()
    made = await known(walker, custom)
    assert SECRET not in str(made)
    assert made["scopes"] == ["openid", "email", "profile"]
    assert (made["enabled"], made["pkce_enabled"], made["skip_nonce_check"]) == (True, True, False)
    assert made["discovery_document"]["token_endpoint"] == f"{issuer}/token"
    shown = (await walker.core.get(f"{PATH}/custom:test", headers=HEADERS)).json()
    assert shown == made
    for kind, count in (("", 1), ("oidc", 1), ("oauth2", 0)):
        found = (await walker.core.get(f"{PATH}?type={kind}", headers=HEADERS)).json()
        assert len(found["providers"]) == count
    change = {"name": "Renamed", "enabled": False, "client_secret": ""}
    changed = await walker.core.put(f"{PATH}/custom:test", json=change, headers=HEADERS)
    assert (changed.json()["name"], changed.json()["enabled"]) == ("Renamed", False)
    asked = await walker.core.get("/auth/v1/authorize?provider=custom:test", headers=NEW)
    assert (
        asked.json()["message"] == "Unsupported provider: custom provider custom:test is disabled"
    )
    await walker.core.put(f"{PATH}/custom:test", json={"enabled": True}, headers=HEADERS)
    assert "access_token" in fragment(await walker.walk("custom:test", "ann"))
    gone = await walker.core.delete(f"{PATH}/custom:test", headers=HEADERS)
    assert (gone.status_code, gone.content) == (204, b"")
    for answer in (
        await walker.core.get(f"{PATH}/custom:test", headers=HEADERS),
        await walker.core.put(f"{PATH}/custom:test", json={}, headers=HEADERS),
        await walker.core.delete(f"{PATH}/custom:test", headers=HEADERS),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "custom_provider_not_found")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_only_administrators_may(start: Start, custom: Json, method: str) -> None:
    walker = await start()
    answer = await walker.core.request(method, PATH, json=custom, headers=NEW)
    assert answer.status_code in {401, 403}


UNUSABLE: list[tuple[Json, str]] = [
    ({"provider_type": "saml"}, "provider_type must be either 'oauth2' or 'oidc'"),
    ({"identifier": ""}, "identifier is required"),
    ({"identifier": "test"}, "identifier must start with 'custom:' prefix"),
    ({"identifier": "custom:Über"}, "identifier may have small letters"),
    ({"name": ""}, "name is required"),
    ({"name": "x" * 101}, "name must have at most 100 characters"),
    ({"client_id": ""}, "client_id is required"),
    ({"client_secret": ""}, "client_secret is required"),
    ({"issuer": ""}, "issuer is required for OIDC providers"),
    ({"provider_type": "oauth2"}, "authorization_url is required for OAuth2 providers"),
    ({"authorization_params": {"state": "x"}}, "Cannot override reserved OAuth parameter"),
    ({"authorization_params": {"Client_ID": "x"}}, "Cannot override reserved OAuth parameter"),
    ({"authorization_params": {"nonce": "x"}}, "Cannot override reserved OAuth parameter"),
    ({"authorization_params": {"a": 1}}, 'Authorization parameter "a" must be a string'),
    ({"attribute_mapping": {"role": "x"}}, "Cannot map to protected system field: role"),
    ({"attribute_mapping": {"email_verified": True}}, "Cannot map to protected system field"),
    ({"custom_claims_allowlist": [" "]}, "custom_claims_allowlist entries must be non-empty"),
]


async def test_what_cannot_be_used_is_refused(start: Start, custom: Json) -> None:
    walker = await start()
    for change, said in UNUSABLE:
        answer = await walker.core.post(PATH, json=custom | change, headers=HEADERS)
        assert (answer.status_code, answer.json()["code"]) == (400, "validation_failed"), change
        assert answer.json()["message"].startswith(said), change


PRIVATE = [
    ("http://example.com", "URL must use HTTPS"),
    ("file:///etc/passwd", "URL must use HTTPS"),
    ("https://127.0.0.1", "URL cannot point to private or local network addresses"),
    ("https://10.0.0.7/x", "URL cannot point to private or local network addresses"),
    ("https://169.254.169.254/latest", "URL cannot point to private or local network"),
    ("https://[::1]/", "URL cannot point to private or local network addresses"),
    ("https://[::ffff:127.0.0.1]/", "URL cannot point to private or local network addresses"),
    ("https://[fd00::1]/", "URL cannot point to private or local network addresses"),
    ("https://100.64.0.1/", "URL cannot point to private or local network addresses"),
    ("https://0.0.0.0/", "URL cannot point to private or local network addresses"),
    ("https://2130706433/", "URL cannot point to private or local network addresses"),
    ("https://0x7f000001/", "URL cannot point to private or local network addresses"),
    ("https://nowhere.invalid/", "Unable to resolve hostname"),
    ("https://", "URL must have a valid hostname"),
]


async def test_the_service_cannot_be_led_into_its_own_network(start: Start, custom: Json) -> None:
    """Server-side request forgery by the addresses of a provider."""
    walker = await start()
    for address, said in PRIVATE:
        endpoints = dict.fromkeys(("authorization_url", "token_url", "userinfo_url"), address)
        changes: tuple[Json, ...] = (
            {"issuer": address},
            {"provider_type": "oauth2", **endpoints},
        )
        for change in changes:
            answer = await walker.core.post(PATH, json=custom | change, headers=HEADERS)
            assert answer.status_code == 400, address
            assert answer.json()["message"].startswith(said), address


async def test_a_name_that_moves_into_the_network_later_is_not_followed(
    start: Start, custom: Json, issuer: str, database: Database
) -> None:
    """DNS rebinding: the address is checked again whenever it is connected to."""
    walker = await start(GOTRUE_CUSTOM_OAUTH_PRIVATE_HOSTS="somewhere.example")
    rows(
        database,
        "insert into auth.custom_oauth_providers"
        " (provider_type, identifier, name, client_id, client_secret, issuer)"
        " values ('oidc', 'custom:test', 'Test', 'test-client', 'x', %s) returning id",
        issuer,
    )
    answer = await walker.core.get("/auth/v1/authorize?provider=custom:test", headers=NEW)
    assert answer.status_code == 400
    assert "is not a public address" in answer.json()["message"]


async def test_an_issuer_has_to_be_who_it_says(start: Start, custom: Json, issuer: str) -> None:
    walker = await start()
    false = {
        "issuer": f"{issuer}/other",
        "discovery_url": f"{issuer}/.well-known/openid-configuration",
    }
    answer = await walker.core.post(PATH, json=custom | false, headers=HEADERS)
    assert "issuer mismatch" in answer.json()["message"]


async def test_an_identifier_is_taken_once(start: Start, custom: Json) -> None:
    walker = await start()
    await known(walker, custom)
    answer = await walker.core.post(PATH, json=custom, headers=HEADERS)
    assert (answer.status_code, answer.json()["code"]) == (400, "conflict")


async def test_there_may_be_a_limit(start: Start, custom: Json) -> None:
    walker = await start(GOTRUE_CUSTOM_OAUTH_MAX_PROVIDERS="1")
    await known(walker, custom)
    answer = await walker.core.post(
        PATH, json=custom | {"identifier": "custom:two"}, headers=HEADERS
    )
    assert answer.json()["code"] == "over_custom_provider_quota"


async def test_custom_providers_may_be_off(start: Start, custom: Json) -> None:
    walker = await start(GOTRUE_CUSTOM_OAUTH_ENABLED="false")
    refused = await walker.core.post(PATH, json=custom, headers=HEADERS)
    assert (refused.status_code, refused.json()["code"]) == (404, "feature_disabled")
    answer = await walker.core.get("/auth/v1/authorize?provider=custom:test", headers=NEW)
    assert answer.json()["message"] == "Unsupported provider: custom OAuth providers are disabled"


async def test_a_plain_oauth_provider_is_read_from_its_own_document(
    start: Start, custom: Json, issuer: str
) -> None:
    walker = await start()
    body = custom | {
        "provider_type": "oauth2",
        "authorization_url": f"{issuer}/auth?prompt=login",
        "token_url": f"{issuer}/token",
        "userinfo_url": f"{issuer}/me",
        "scopes": ["openid", "email", "profile"],
        "client_id": "posting",
        "attribute_mapping": {"nickname": "name", "locale": "missing", "gender": 3, "slug": "sub"},
        "custom_claims_allowlist": ["groups", "missing"],
        "authorization_params": {"audience": "board"},
    }
    made = await known(walker, body)
    assert "issuer" not in made
    there = await walker.authorize("custom:test", "ann", audience="other")
    assert (query(there)["prompt"], query(there)["audience"]) == ("login", "board")
    told = fragment(await walker.come_back(await walker.visit(there)))
    user = (await walker.core.get("/auth/v1/user", headers=bearer(told["access_token"]))).json()
    assert user["user_metadata"] == {
        "sub": "ann",
        "slug": "ann",
        "name": "Ann Lee",
        "nickname": "Ann Lee",
        "picture": "https://example.com/ann.png",
        "updated_at": "2023-11-14T22:13:20Z",
        "email": "ann@example.com",
        "email_verified": True,
        "phone_verified": False,
        "custom_claims": {"groups": ["staff"]},
    }
