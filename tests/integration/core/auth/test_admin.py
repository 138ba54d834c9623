"""Users as the service role manages them."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any
from uuid import uuid4

import bcrypt
import httpx
import pytest
import pytest_asyncio

from gavan.kit.jwt import sign
from gavan.kit.secret import Secret
from tests.conftest import JWT_SECRET, Database
from tests.integration.core.conftest import ANON_KEY, CoreFactory

ADMIN = {"apikey": "sb_secret_test", "X-Supabase-Api-Version": "2024-01-01"}
Json = dict[str, Any]


@pytest_asyncio.fixture
async def client(core_factory: CoreFactory) -> AsyncIterator[httpx.AsyncClient]:
    made = await core_factory("auth")
    made.headers.update(ADMIN)
    yield made


async def create(client: httpx.AsyncClient, **body: Any) -> Json:
    response = await client.post("/auth/v1/admin/users", json=body)
    assert response.status_code == 200, response.text
    made: Json = response.json()
    return made


async def log_in(client: httpx.AsyncClient, email: str, password: str) -> httpx.Response:
    return await client.post(
        "/auth/v1/token?grant_type=password", json={"email": email, "password": password}
    )


async def test_a_user_is_made_as_sent_and_signs_in(client: httpx.AsyncClient) -> None:
    """Traps 6 and 38."""
    user = await create(
        client,
        email="A@b.co",
        password="123",
        email_confirm=True,
        user_metadata={"name": "Ann"},
        app_metadata={"plan": "pro"},
    )
    assert user["email"] == "a@b.co"
    assert user["user_metadata"] == {"name": "Ann", "email_verified": True}
    assert user["app_metadata"] == {"provider": "email", "providers": ["email"], "plan": "pro"}
    session = (await log_in(client, "a@b.co", "123")).json()
    assert session["user"]["id"] == user["id"]
    assert session["weak_password"]["reasons"] == ["length"]


async def test_a_password_hash_is_taken_over(client: httpx.AsyncClient) -> None:
    hashed = bcrypt.hashpw(b"imported", bcrypt.gensalt(4)).decode()
    await create(client, email="a@b.co", password_hash=hashed, email_confirm=True)
    assert (await log_in(client, "a@b.co", "imported")).status_code == 200


async def test_a_wished_id_is_kept(client: httpx.AsyncClient) -> None:
    wished = str(uuid4())
    assert (await create(client, id=wished, email="a@b.co"))["id"] == wished


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "validation_failed"),
        ({"email": "xx"}, 400, "validation_failed"),
        ({"email": "taken@b.co"}, 422, "email_exists"),
        ({"phone": "+1 555"}, 422, "phone_exists"),
        ({"phone": "abc"}, 400, "validation_failed"),
        ({"email": "a@b.co", "password": "x", "password_hash": "y"}, 400, "validation_failed"),
        ({"email": "a@b.co", "id": "x"}, 400, "validation_failed"),
        ({"email": "a@b.co", "id": "0" * 32}, 400, "validation_failed"),
        ({"email": "a@b.co", "ban_duration": "soon"}, 400, "validation_failed"),
        ({"email": "a@b.co", "email_confirm": "yes"}, 400, "bad_json"),
    ],
)
async def test_a_bad_wish_is_refused(
    client: httpx.AsyncClient, body: Json, status: int, code: str
) -> None:
    """Trap 7 among them."""
    await create(client, email="taken@b.co", phone="1555")
    response = await client.post("/auth/v1/admin/users", json=body)
    assert (response.status_code, response.json()["code"]) == (status, code)


async def test_pages_are_counted_in_the_headers(client: httpx.AsyncClient) -> None:
    """Traps 8 to 10."""
    empty = await client.get("/auth/v1/admin/users")
    assert empty.json()["users"] == []
    assert (empty.headers["x-total-count"], "page=0" in empty.headers["link"]) == ("0", True)
    for name in ("a", "b"):
        await create(client, email=f"{name}@b.co")
    first = await client.get("/auth/v1/admin/users?per_page=1&sort=created_at asc")
    assert [user["email"] for user in first.json()["users"]] == ["a@b.co"]
    assert first.json()["users"][0]["identities"][0]["provider"] == "email"
    assert first.headers["x-total-count"] == "2"
    assert first.headers["link"] == (
        '</admin/users?page=2&per_page=1&sort=created_at+asc>; rel="next", '
        '</admin/users?page=2&per_page=1&sort=created_at+asc>; rel="last"'
    )
    second = await client.get("/auth/v1/admin/users?per_page=1&page=2")
    assert 'rel="next"' not in second.headers["link"]
    found = await client.get("/auth/v1/admin/users?filter=b@")
    assert [user["email"] for user in found.json()["users"]] == ["b@b.co"]
    assert (await client.get("/auth/v1/admin/users?page=-1")).status_code == 400


async def test_a_user_is_changed(client: httpx.AsyncClient) -> None:
    user = await create(
        client, email="a@b.co", password="first password", user_metadata={"a": 1, "b": 2}
    )
    path = f"/auth/v1/admin/users/{user['id']}"
    weak = await client.put(path, json={"password": "123"})
    assert weak.json()["code"] == "weak_password"
    changed = await client.put(
        path,
        json={
            "email": "New@b.co",
            "password": "second password",
            "email_confirm": True,
            "user_metadata": {"a": None, "c": 3},
        },
    )
    assert changed.json()["email"] == "new@b.co"
    assert changed.json()["user_metadata"] == {"b": 2, "c": 3, "email_verified": True}
    assert changed.json()["role"] == "authenticated"
    assert (await log_in(client, "new@b.co", "second password")).status_code == 200


async def test_a_ban_holds_until_it_is_lifted(client: httpx.AsyncClient) -> None:
    user = await create(client, email="a@b.co", password="a password", email_confirm=True)
    path = f"/auth/v1/admin/users/{user['id']}"
    assert (await client.put(path, json={"ban_duration": "1h30m"})).json()["banned_until"]
    assert (await log_in(client, "a@b.co", "a password")).json()["code"] == "user_banned"
    assert (await client.put(path, json={"ban_duration": "876000000h"})).status_code == 200
    assert "banned_until" not in (await client.put(path, json={"ban_duration": "none"})).json()
    assert (await log_in(client, "a@b.co", "a password")).status_code == 200


async def test_a_deleted_user_is_gone_and_its_address_free(client: httpx.AsyncClient) -> None:
    user = await create(client, email="a@b.co", password="a password", email_confirm=True)
    path = f"/auth/v1/admin/users/{user['id']}"
    done = await client.request("DELETE", path, json={})
    assert (done.status_code, done.json()) == (200, {})
    gone = await client.get(path)
    assert (gone.status_code, gone.json()["code"]) == (404, "user_not_found")
    assert (await client.delete(path)).status_code == 404
    assert (await log_in(client, "a@b.co", "a password")).status_code == 400
    await create(client, email="a@b.co")


async def test_a_softly_deleted_user_leaves_a_row_that_names_nobody(
    client: httpx.AsyncClient, database: Database
) -> None:
    """Trap 56."""
    user = await create(
        client,
        email="a@b.co",
        phone="15550001",
        password="a password",
        email_confirm=True,
        user_metadata={"name": "Ann"},
    )
    session = (await log_in(client, "a@b.co", "a password")).json()
    path = f"/auth/v1/admin/users/{user['id']}"
    for _ in range(2):
        done = await client.request("DELETE", path, json={"should_soft_delete": True})
        assert (done.status_code, done.json()) == (200, {})
    left = (await client.get(path)).json()
    assert left["deleted_at"]
    assert left["email"] == hashed(user["id"], "a@b.co")
    assert left["phone"] == hashed(user["id"], "15550001")[:15]
    assert (left["user_metadata"], left["app_metadata"]) == ({}, {})
    assert {identity["id"] for identity in left["identities"]} == {
        hashed(user["id"], f"{provider}:{user['id']}") for provider in ("email", "phone")
    }
    assert all(identity["identity_data"] == {} for identity in left["identities"])
    assert (await log_in(client, left["email"], "a password")).status_code == 400
    bearer = {"Authorization": f"Bearer {session['access_token']}"}
    assert (await client.get("/auth/v1/user", headers=bearer)).status_code == 403
    with database.connect("supabase_admin") as connection:
        row = connection.execute(
            "select encrypted_password, (select count(*) from auth.sessions) from auth.users"
        ).fetchone()
    assert row == (None, 0)
    await create(client, email="a@b.co", phone="15550001")


def hashed(user_id: str, value: str) -> str:
    digest = sha256(f"{user_id}{value}".encode()).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"apikey": ""}, 401, "no_authorization"),
        ({"apikey": "sb_publishable_test"}, 403, "not_admin"),
        ({"Authorization": f"Bearer {ANON_KEY}"}, 403, "not_admin"),
    ],
)
async def test_only_the_service_role_may(
    client: httpx.AsyncClient, headers: dict[str, str], status: int, code: str
) -> None:
    """Trap 11."""
    for method, path in (("GET", ""), ("POST", ""), ("DELETE", f"/{uuid4()}")):
        response = await client.request(method, f"/auth/v1/admin/users{path}", headers=headers)
        assert (response.status_code, response.json()["code"]) == (status, code)


async def test_an_id_that_is_no_uuid_is_a_404(client: httpx.AsyncClient) -> None:
    response = await client.get("/auth/v1/admin/users/x")
    assert (response.status_code, response.json()["code"]) == (404, "validation_failed")


async def test_whose_the_service_token_is_does_not_matter(client: httpx.AsyncClient) -> None:
    """Trap 12."""
    token = sign({"role": "service_role", "sub": "1234567890"}, Secret(JWT_SECRET))
    headers = {"Authorization": f"Bearer {token}"}
    assert (await client.get("/auth/v1/admin/users", headers=headers)).status_code == 200


async def test_metadata_without_confirmation_stays_as_it_was_sent(
    client: httpx.AsyncClient,
) -> None:
    """Trap 38."""
    user = await create(client, email="a@b.co", user_metadata={"name": "Ann"})
    assert user["user_metadata"] == {"name": "Ann"}
