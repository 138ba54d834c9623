"""A core in this process, spoken to over ASGI with its lifespan, on a fresh database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest_asyncio
from asgi_lifespan import LifespanManager

from gavan.core.gateway.app import build
from gavan.kit.jwt import sign
from gavan.kit.secret import Secret
from tests.conftest import JWT_SECRET, Database

ANON_KEY = sign({"iss": "supabase-demo", "role": "anon", "exp": 4102444800}, Secret(JWT_SECRET))
SERVICE_KEY = sign(
    {"iss": "supabase-demo", "role": "service_role", "exp": 4102444800}, Secret(JWT_SECRET)
)
CoreFactory = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest_asyncio.fixture
async def core_factory(database: Database) -> AsyncIterator[CoreFactory]:
    """Start a core with the given services; the client carries the publishable key."""
    async with AsyncExitStack() as stack:

        async def make(*services: str, **overrides: Any) -> httpx.AsyncClient:
            settings = database.settings(
                services=services,
                anon_key=Secret(ANON_KEY),
                service_role_key=Secret(SERVICE_KEY),
                **overrides,
            )
            app = build(settings)
            await stack.enter_async_context(
                LifespanManager(app, startup_timeout=60, shutdown_timeout=60)
            )
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            return await stack.enter_async_context(
                httpx.AsyncClient(
                    transport=transport,
                    base_url=settings.external_url,
                    headers={"apikey": "sb_publishable_test"},
                    timeout=30,
                )
            )

        yield make
