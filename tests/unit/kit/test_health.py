"""Health is told from memory, and told at once when a process is to end."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from gavan.kit.health.answers import health_routes
from gavan.kit.health.model import About, Check, read_about
from gavan.kit.health.monitor import Health, watching
from tests.ports import free_port
from tests.servers import wait_until


class Dependency:
    """Something that answers, fails or hangs as the test says, and counts who asks."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()
        self.asked = self.inside = self.most_inside = 0

    async def __call__(self) -> None:
        self.asked += 1
        self.inside += 1
        self.most_inside = max(self.inside, self.most_inside)
        try:
            await self.answers.wait()
        finally:
            self.inside -= 1
        if self.error is not None:
            raise self.error


@pytest.fixture
def database() -> Dependency:
    return Dependency()


@pytest.fixture
def s3() -> Dependency:
    return Dependency()


@pytest.fixture
async def health(database: Dependency, s3: Dependency) -> AsyncIterator[Health]:
    checks = (
        Check(name="db", ask=database, every_s=0.01, timeout_s=0.05),
        Check(name="s3", ask=s3, required=False, every_s=0.01, timeout_s=0.05),
    )
    about = About(version="1.2", release="sha-0123456", env="prod", data_backend="supabase")
    async with Health(checks, about=about) as started:
        yield started


async def ask(health: Health, path: str = "") -> tuple[int, dict[str, Any]]:
    app = Starlette(routes=list(health_routes(health)))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://test"
    ) as client:
        answer = await client.get(f"/api/v1/health{path}")
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, answer.json()


async def until(health: Health, status: str) -> None:
    async with asyncio.timeout(20):
        async for now in health.changes():
            if now == status:
                return


async def until_degraded(health: Health, names: list[str]) -> None:
    async with asyncio.timeout(20):
        async for _ in health.changes():
            if health.degraded == names:
                return


async def test_a_process_is_starting_until_every_required_check_was_answered() -> None:
    health = Health([Check(name="db", ask=Dependency())], about=About())
    assert await ask(health, "/ready") == (
        503,
        {
            "status": "starting",
            "checks": [{"name": "db", "ok": False, "ms": None, "age_s": None, "required": True}],
        },
    )
    assert (await ask(health, "/live"))[0] == 200


async def test_the_whole_answer_has_the_fields_of_the_release_and_of_every_check(
    health: Health,
) -> None:
    await until(health, "ready")
    async with asyncio.timeout(20):
        async for _ in health.changes():
            if "s3" in health.outcomes:
                break
    status, body = await ask(health)
    assert status == 200
    told = {name: body[name] for name in ("status", "version", "release", "env", "data_backend",
                                          "db_ready", "s3_ready", "degraded")}  # fmt: skip
    assert told == {
        "status": "ready", "version": "1.2", "release": "sha-0123456", "env": "prod",
        "data_backend": "supabase", "db_ready": True, "s3_ready": True, "degraded": [],
    }  # fmt: skip
    assert {check["name"]: check["required"] for check in body["checks"]} == {
        "db": True, "s3": False,
    }  # fmt: skip


async def test_an_optional_check_that_fails_degrades_and_a_required_one_refuses(
    health: Health, database: Dependency, s3: Dependency
) -> None:
    await until(health, "ready")
    s3.error = OSError("host s3.internal does not answer")
    await until_degraded(health, ["s3"])
    status, body = await ask(health)
    assert (status, body["degraded"], body["s3_ready"]) == (200, ["s3"], False)
    database.error = OSError("postgres.internal")
    await until(health, "not_ready")
    status, body = await ask(health)
    assert (status, body["status"]) == (503, "not_ready")
    assert "internal" not in str(body)
    database.error = s3.error = None
    await until(health, "ready")
    await until_degraded(health, [])


async def test_a_thousand_questions_while_the_database_hangs_wait_for_nothing_and_add_no_check(
    health: Health, database: Dependency
) -> None:
    await until(health, "ready")
    database.answers.clear()
    await until(health, "not_ready")
    asked = database.asked
    answers = await asyncio.gather(*(ask(health, "/ready") for _ in range(1000)))
    assert {status for status, _ in answers} == {503}
    assert database.most_inside == 1
    assert database.asked - asked < 500
    database.answers.set()
    await until(health, "ready")


async def test_a_draining_process_is_alive_and_not_ready(health: Health) -> None:
    await until(health, "ready")
    health.drain()
    status, body = await ask(health, "/ready")
    assert (status, body["status"]) == (503, "draining")
    assert (await ask(health, "/live"))[0] == 200


async def test_a_lifespan_asks_while_the_app_serves() -> None:
    dependency = Dependency()
    health = Health([Check(name="db", ask=dependency, every_s=0.01)], about=About())
    async with watching(health):
        await until(health, "ready")
    assert health.status == "draining"
    assert dependency.inside == 0


def test_the_release_comes_from_the_environment_of_the_app() -> None:
    found = read_about({"GAVAN_RELEASE": "sha-abc1234", "ENV": "prod", "DATA_BACKEND": "supabase"})
    assert found == About(
        version="sha-abc1234", commit="abc1234", release="sha-abc1234", env="prod",
        data_backend="supabase",
    )  # fmt: skip
    assert read_about({"VERSION": "2.0", "GAVAN_RELEASE": "v3"}).commit == ""


SERVER = """
import asyncio, sys, uvicorn
from starlette.applications import Starlette
from gavan.kit.health.answers import health_routes
from gavan.kit.health.model import Check
from gavan.kit.health.monitor import Health, watching

async def well() -> None: ...

health = Health([Check(name="db", ask=well)], linger_s=float(sys.argv[2]))
app = Starlette(routes=health_routes(health), lifespan=lambda app: watching(health))
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
"""


def test_sigterm_is_told_at_once_and_then_ends_the_server(tmp_path: Path) -> None:
    port = free_port()
    program = tmp_path / "server.py"
    program.write_text(SERVER)
    server = subprocess.Popen([sys.executable, str(program), str(port), "2"])
    url = f"http://127.0.0.1:{port}/api/v1/health/ready"

    def status() -> int | None:
        try:
            return httpx.get(url, timeout=5).status_code
        except httpx.TransportError:
            return None

    try:
        wait_until(lambda: status() == 200)
        server.send_signal(signal.SIGTERM)
        wait_until(lambda: status() == 503)
        assert httpx.get(url).json()["status"] == "draining"
        assert httpx.get(url.replace("ready", "live")).status_code == 200
        server.wait(60)
        assert status() is None
    finally:
        server.kill()
        server.wait()
