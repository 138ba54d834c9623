"""The backend put together: health, five domains, artifacts, the live status.

Stands above every other module of the backend; each of them takes what it needs as a value.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from botmox.artifacts import artifact_router
from botmox.domains import DOMAINS
from botmox.errors import add_error_form
from botmox.live import live_router
from botmox.repository import SupabaseRepository
from botmox.routes import domain_router
from botmox.storage import S3Storage
from gavan.kit.health.answers import health_routes
from gavan.kit.health.model import Check
from gavan.kit.health.monitor import Health

LINGER_S = 2.0
"""How long a proxy that asks is told 503 before the server stops to listen"""
CONNECTIONS = 20


def make_app(environ: Mapping[str, str] = os.environ) -> FastAPI:
    """Return the app; what it needs of its place is in the variables that every engine gives."""
    core = httpx.AsyncClient(
        base_url=environ["SUPABASE_URL"],
        headers={"apikey": environ["SUPABASE_ANON_KEY"]},
        timeout=10,
        limits=httpx.Limits(max_connections=CONNECTIONS),
    )
    storage = S3Storage(environ)

    async def ask_core() -> None:
        (await core.get("/rest/v1/", params={"limit": 0})).raise_for_status()

    checks = (
        Check(name="supabase", ask=ask_core),
        Check(name="s3", ask=storage.check, required=False),
    )
    is_dev = environ.get("NODE_ENV") == "development"
    health = Health(checks, linger_s=0 if is_dev else LINGER_S)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with core, health:
            yield
        storage.close()

    app = FastAPI(
        title="botmox",
        lifespan=lifespan,
        routes=health_routes(health),
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    add_error_form(app)
    for domain in DOMAINS:
        app.include_router(domain_router(domain, SupabaseRepository(core, domain.table)))
    app.include_router(artifact_router(SupabaseRepository(core, "artifact"), storage))
    app.include_router(live_router(health))
    return app
