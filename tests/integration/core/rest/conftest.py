"""A data API over a fresh database with a small, contrary schema; requests go through ASGI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from gavan.core.rest.app import Service, build
from gavan.database.pool import Pool
from gavan.kit.jwt import Verifier, shared_key, sign
from gavan.kit.secret import Secret
from tests.conftest import JWT_SECRET, Database

SCHEMA = Path(__file__).parent / "schema.sql"
SECRET = Secret(JWT_SECRET)


def token_of(role: str, **claims: Any) -> str:
    """Return a signed token, as the gateway hands it on."""
    return sign({"role": role, **claims}, SECRET)


@dataclass
class Api:
    """The service and a client that acts as one role after another."""

    client: httpx.AsyncClient
    service: Service
    database: Database

    async def ask(
        self,
        method: str,
        url: str,
        *,
        body: object = None,
        token: str | None = None,
        prefer: str | None = None,
        accept: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send one request; ``body`` is JSON unless it is bytes."""
        sent = dict(headers or {})
        if prefer is not None:
            sent["prefer"] = prefer
        if accept is not None:
            sent["accept"] = accept
        if token is not None:
            sent["x-test-token"] = token
        content = (
            body if isinstance(body, bytes) else orjson.dumps(body) if body is not None else b""
        )
        return await self.client.request(method, url, content=content, headers=sent)

    async def get(self, url: str, **options: Any) -> httpx.Response:
        return await self.ask("GET", url, **options)


def as_gateway(service: Service) -> Any:
    """Return an ASGI application that puts token and verifier into the scope."""
    verifier = Verifier([shared_key(SECRET)])

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        token = headers.get(b"x-test-token")
        scope["gavan.token"] = token.decode() if token is not None else None
        scope["gavan.verifier"] = verifier
        await service(scope, receive, send)

    return app


@pytest.fixture
async def api(database: Database) -> AsyncIterator[Api]:
    with database.connect() as connection:
        connection.execute(SCHEMA.read_bytes())
    async for ready in serve(database):
        yield ready


async def serve(database: Database, **overrides: Any) -> AsyncIterator[Api]:
    """Yield a running data API over a database."""
    settings = database.settings(**overrides)
    pool = Pool(settings.authenticator_url, size=4)
    await pool.open()
    service = build(settings, pool)
    await service.start()
    transport = httpx.ASGITransport(app=as_gateway(service))
    async with httpx.AsyncClient(transport=transport, base_url="http://core") as client:
        yield Api(client, service, database)
    await service.stop()
    await pool.close()
