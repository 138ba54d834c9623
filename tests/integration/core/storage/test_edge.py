"""What the storage service says of itself, through the front door."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from gavan.core.storage.app import build
from gavan.core.storage.config import StorageConfig
from tests.conftest import Database
from tests.live import running_core


def test_the_service_runs_behind_the_front_door(database: Database, tmp_path: Path) -> None:
    with running_core(database, tmp_path / "core.log") as live:
        assert httpx.get(f"{live.url}/storage/v1/status").status_code == 200
        assert httpx.get(f"{live.url}/storage/v1/health").json() == {"healthy": True}
        missing = httpx.get(f"{live.url}/storage/v1/nothing")
        assert missing.status_code == 404
        assert missing.json()["message"] == "Route GET:/nothing not found"
        for key, status in ((live.anon_key, 403), (live.service_key, 200)):
            headers = {"authorization": f"Bearer {key}"}
            purged = httpx.delete(f"{live.url}/storage/v1/cdn/a", headers=headers)
            assert purged.status_code == status


@pytest.mark.parametrize(("speaks_s3", "status"), [(True, 403), (False, 404)])
async def test_the_door_of_s3_clients_can_be_closed(
    speaks_s3: bool, status: int, database: Database, tmp_path: Path
) -> None:
    config = StorageConfig(folder=tmp_path, speaks_s3=speaks_s3)
    transport = httpx.ASGITransport(build(database.settings(), config=config))
    async with httpx.AsyncClient(transport=transport, base_url="http://core") as client:
        assert (await client.get("/s3/bucket")).status_code == status
