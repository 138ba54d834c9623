"""A core that knows providers on loopback ports, and a browser that walks between them."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import pytest_asyncio

from tests.conftest import Database
from tests.integration.core.conftest import SERVICE_KEY, CoreFactory
from tests.oidc.servers import (
    SECRET,
    Certificate,
    Forge,
    make_certificate,
    running_forge,
    running_oidc,
)

CORE = "http://127.0.0.1:54321"
CALLBACK = f"{CORE}/auth/v1/callback"
SITE = "http://localhost:5173"
ADMIN = {"Authorization": f"Bearer {SERVICE_KEY}"}
NEW = {"X-Supabase-Api-Version": "2024-01-01"}
Json = dict[str, Any]

ACCOUNTS: Json = {
    "ann": {
        "email": "Ann@Example.com",
        "email_verified": True,
        "name": "Ann Lee",
        "picture": "https://example.com/ann.png",
        "updated_at": 1700000000,
        "groups": ["staff"],
    },
    "bob": {"email": "bob@example.com", "email_verified": False, "name": "Bob"},
    "cid": {"name": "Cid"},
    "eve": {"email": "ann@example.com", "email_verified": False, "name": "Eve"},
    "zoe": {"email": "zoe@example.com", "email_verified": True, "name": "Zoe"},
}


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def issuer(certificate: Certificate) -> Iterator[str]:
    with running_oidc(ACCOUNTS, [CALLBACK], certificate) as address:
        yield address


@pytest.fixture
def forge() -> Iterator[Forge]:
    with running_forge() as running:
        yield running


class Walker:
    """A browser: it goes where it is led, from the core to a provider and back."""

    def __init__(self, core: httpx.AsyncClient, web: httpx.AsyncClient) -> None:
        self.core = core
        self.web = web

    async def authorize(self, provider: str, account: str, **more: str) -> str:
        """Return where the core leads for a sign-in."""
        # Both names of the account: each provider takes its own and lets the other be.
        query = {"provider": provider, "login_hint": account, "login": account, **more}
        answer = await self.core.get("/auth/v1/authorize", params=query)
        assert answer.status_code == 302, answer.text
        return str(answer.headers["location"])

    async def visit(self, address: str) -> str:
        """Return where the provider leads back to, with what it says."""
        self.web.cookies.clear()  # it would know who was there before
        for _ in range(10):
            if address.startswith(CORE):
                return address
            answer = await self.web.get(address)
            assert answer.status_code in {302, 303}, answer.text
            address = str(httpx.URL(address).join(answer.headers["location"]))
        raise AssertionError(address)

    async def come_back(self, address: str) -> str:
        """Return where the core's callback leads."""
        answer = await self.core.get(address)
        assert answer.status_code in {302, 303}, answer.text
        assert answer.headers["cache-control"] == "no-store"
        return str(answer.headers["location"])

    async def walk(self, provider: str, account: str, **more: str) -> str:
        """Return where somebody is in the end who signs in."""
        there = await self.authorize(provider, account, **more)
        return await self.come_back(await self.visit(there))


def fragment(address: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(address).fragment, keep_blank_values=True))


def query(address: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(address).query, keep_blank_values=True))


Start = Callable[..., Awaitable[Walker]]


@pytest_asyncio.fixture
async def start(
    core_factory: CoreFactory,
    monkeypatch: pytest.MonkeyPatch,
    issuer: str,
    certificate: Certificate,
) -> AsyncIterator[Start]:
    """Start a core whose variables are those of a local stack, and given ones."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.certificate))
    web = httpx.AsyncClient(
        verify=ssl.create_default_context(cafile=str(certificate.certificate)), timeout=10
    )

    async def begin(**environ: str) -> Walker:
        keycloak = {
            "GOTRUE_EXTERNAL_KEYCLOAK_ENABLED": "true",
            "GOTRUE_EXTERNAL_KEYCLOAK_CLIENT_ID": "posting",
            "GOTRUE_EXTERNAL_KEYCLOAK_SECRET": SECRET,
            "GOTRUE_EXTERNAL_KEYCLOAK_URL": f"{issuer}/realms/test",
            "GOTRUE_CUSTOM_OAUTH_PRIVATE_HOSTS": "localhost",
            "GOTRUE_MAILER_AUTOCONFIRM": "false",
        }
        for name, value in {**keycloak, **environ}.items():
            monkeypatch.setenv(name, value)
        return Walker(await core_factory("auth"), web)

    async with web:
        yield begin


@pytest.fixture
def custom(issuer: str) -> Json:
    """The body that makes the OpenID Connect provider known as custom:test."""
    return {
        "provider_type": "oidc",
        "identifier": "custom:test",
        "name": "Test",
        "client_id": "test-client",
        "client_secret": SECRET,
        "issuer": issuer,
        "scopes": ["email", "profile"],
    }


async def known(walker: Walker, body: Json) -> Json:
    """Make a custom provider known."""
    answer = await walker.core.post("/auth/v1/admin/custom-providers", json=body, headers=ADMIN)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


async def sign_up(walker: Walker, email: str, **more: Any) -> Json:
    body = {"email": email, "password": "correct horse", **more}
    answer = await walker.core.post("/auth/v1/signup", json=body)
    assert answer.status_code == 200, answer.text
    made: Json = answer.json()
    return made


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def rows(database: Database, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Return the rows of a query as the superuser sees them."""
    with database.connect("supabase_admin") as connection:
        return connection.execute(sql, values).fetchall()
