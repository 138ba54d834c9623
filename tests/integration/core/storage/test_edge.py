"""What the storage service says of itself, through the front door."""

from __future__ import annotations

from pathlib import Path

import httpx

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
