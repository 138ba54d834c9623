"""The realtime service behind a real server on a free port."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn

from gavan.core.frame_socket import FrameSocket
from gavan.core.realtime.app import Service, build
from gavan.core.settings import Settings, read_settings
from gavan.kit.keyset import shared_set
from gavan.kit.secret import Secret
from tests.conftest import Database
from tests.integration.core.realtime.wire import ANON, DEADLINE_S, SECRET, SERVICE, Server

NO_DATABASE = "postgresql://nobody@127.0.0.1:1/none"


@pytest.fixture
def settings() -> Settings:
    """Settings with keys and no database."""
    return read_settings(
        {
            "GAVAN_DB_AUTHENTICATOR_URL": NO_DATABASE,
            "GAVAN_DB_AUTH_ADMIN_URL": NO_DATABASE,
            "GAVAN_DB_STORAGE_ADMIN_URL": NO_DATABASE,
            "GAVAN_DB_REALTIME_ADMIN_URL": NO_DATABASE,
            "GAVAN_DB_ADMIN_URL": NO_DATABASE,
            "JWT_SECRET": SECRET.reveal(),
            "ANON_KEY": ANON,
            "SERVICE_ROLE_KEY": SERVICE,
            "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_test",
            "SUPABASE_SECRET_KEY": "sb_secret_test",
        }
    )


def settings_of(database: Database) -> Settings:
    """Return settings that serve a database with the keys of these tests."""
    return database.settings(
        keys=shared_set(SECRET), anon_key=Secret(ANON), service_role_key=Secret(SERVICE)
    )


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[Server]:
    """Serve on a free port until the block ends."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        service,
        ws=FrameSocket,
        lifespan="off",
        log_level="error",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        ws_max_size=5_000_000,
        timeout_graceful_shutdown=2,
    )
    web = uvicorn.Server(config)
    await service.start()
    task = asyncio.create_task(web.serve(sockets=[listener]))
    server = Server(listener.getsockname()[1])
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not web.started:  # noqa: ASYNC110 - uvicorn offers no event for it
                await asyncio.sleep(0.005)
        yield server
    finally:
        for client in server.clients:
            await client.close()
        await service.stop()
        web.should_exit = True
        await task
        listener.close()


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[Server]:
    """A service without a database: sockets, broadcast, presence."""
    async with serving(build(settings)) as running:
        yield running
