"""Botmox rehearsed on containers: reached by Caddy's hosts alone, artifacts through a browser."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.hosts.botmox.person import PATIENCE_MS, download, sign_up, upload
from tests.hosts.botmox.stack import Repository

pytestmark = [pytest.mark.usefixtures("docker_engine"), pytest.mark.timeout(600)]
EXPECTED = {
    "status": "ready", "data_backend": "supabase", "supabase_ready": True, "s3_ready": True,
    "env": "prod-sim", "degraded": [],
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """The running stack; nothing of it is reached but through the proxy."""

    repository: Repository
    https: int

    def url(self, host: str, path: str = "/") -> str:
        return f"https://{host}.localhost:{self.https}{path}"


@pytest.fixture(scope="module")
def rehearsal(repository: Repository, ports: dict[str, int]) -> Iterator[Rehearsal]:
    stack = Rehearsal(repository=repository, https=ports["https"])
    up = repository.attempt("-p", "prod-sim", "--timeout", "300", "up")
    try:
        assert up.returncode == 0, up.stderr[-6000:]
        yield stack
    finally:
        repository.attempt("-p", "prod-sim", "--yes", "down", "--volumes")


def test_backend_and_front_end_answer_at_their_hosts(rehearsal: Rehearsal, page: Page) -> None:
    for host in ("app", "api"):
        answer = page.goto(rehearsal.url(host, "/api/v1/health"))
        assert answer is not None
        assert answer.status == 200
        told = answer.json()
        assert told | EXPECTED == told
    deep = page.goto(rehearsal.url("app", "/some/where"))
    assert deep is not None
    assert (deep.status, '<div id="root">' in deep.text()) == (200, True)
    asked = "path => fetch(path).then((answer) => answer.status)"
    assert page.evaluate(asked, "/assets/none.js") == 404


def test_only_the_proxy_is_published(rehearsal: Rehearsal) -> None:
    words = [
        "docker",
        "ps",
        "--filter",
        "name=bmxtest-prod-sim",
        "--format",
        "{{.Names}} {{.Ports}}",
    ]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    published = [line.split()[0] for line in lines if "->" in line]
    assert published == ["bmxtest-prod-sim-proxy-1"]


def test_a_person_uploads_and_downloads_in_the_browser(
    rehearsal: Rehearsal, page: Page, tmp_path: Path
) -> None:
    sign_up(page, rehearsal.url("app"))
    content = os.urandom(700_000)
    row = upload(page, "Гавань setup.exe", content)
    expect(row).to_contain_text("683.6 KiB")
    assert download(row, page, tmp_path / "download") == "Гавань setup.exe"
    assert (tmp_path / "download").read_bytes() == content
    for width in (1280, 400):
        page.set_viewport_size({"width": width, "height": 800})
        fits = page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert fits, f"the page is wider than {width} px"
    row.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Keep it").click()
    expect(row).to_have_count(1)
    row.get_by_role("button", name="Remove").press("Enter")
    page.get_by_role("button", name="Remove it").press("Enter")
    expect(row).to_have_count(0, timeout=PATIENCE_MS)
    expect(page.get_by_role("region", name="Artifacts")).to_be_focused()
