"""Botmox rehearsed on containers: reached by Caddy's hosts alone, artifacts through a browser."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.hosts.test_rehearsal import GAVAN
from tests.ports import free_port
from tests.stacks.conftest import ARGUMENTS, chromium_binary

pytestmark = [pytest.mark.usefixtures("docker_engine"), pytest.mark.timeout(600)]
BOTMOX = Path(__file__).parents[2] / "stacks" / "botmox"
PATIENCE_MS = 30_000
EXPECTED = {
    "status": "ready", "data_backend": "supabase", "supabase_ready": True, "s3_ready": True,
    "env": "prod-sim", "release": "v0.0.0", "degraded": [],
}  # fmt: skip
PORTS = """
[profiles.prod-sim]
http_port = {http}
https_port = {https}
"""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The running stack; nothing of it is reached but through the proxy."""

    root: Path
    https: int

    def gavan(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([GAVAN, "-p", "prod-sim", *words], cwd=self.root,
                              capture_output=True, text=True, check=False)  # fmt: skip

    def url(self, host: str, path: str = "/") -> str:
        return f"https://{host}.localhost:{self.https}{path}"


@pytest.fixture(scope="module")
def rehearsal(
    tmp_path_factory: pytest.TempPathFactory, docker_engine: dict[str, str]
) -> Iterator[Rehearsal]:
    del docker_engine
    root = tmp_path_factory.mktemp("rehearsal") / "botmox"
    shutil.copytree(BOTMOX, root, ignore=shutil.ignore_patterns(".gavan", "node_modules", "dist"))
    ports = {"http": free_port(), "https": free_port()}
    file = root / "gavan.toml"
    text = file.read_text().replace('name = "botmox"', 'name = "bmxtest"')
    file.write_text(text + PORTS.format(**ports))
    stack = Rehearsal(root, ports["https"])
    up = stack.gavan("--timeout", "300", "up")
    try:
        assert up.returncode == 0, up.stderr[-6000:]
        yield stack
    finally:
        stack.gavan("--yes", "down", "--volumes")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_binary(), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(
        ignore_https_errors=True, viewport={"width": 1280, "height": 800}, locale="en-GB"
    )
    yield context.new_page()
    context.close()


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
    content = os.urandom(700_000)
    page.goto(rehearsal.url("app"))
    expect(page.get_by_role("status")).to_have_text("Backend: ready", timeout=PATIENCE_MS)
    page.get_by_role("button", name="I have no account yet").click()
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("Password").fill("a long pass phrase 42")
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_text("Nothing here yet")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_label("Kind").select_option("installers")
    page.locator("input[type=file]").set_input_files(
        {"name": "Гавань setup.exe", "mimeType": "application/octet-stream", "buffer": content}
    )
    row = page.get_by_test_id("artifact")
    expect(row).to_have_count(1, timeout=PATIENCE_MS)
    expect(row).to_contain_text("Гавань setup.exe")
    expect(row).to_contain_text("683.6 KiB")
    with page.expect_download() as started:
        row.get_by_role("button", name="Download").click()
    started.value.save_as(tmp_path / "download")
    assert started.value.suggested_filename == "Гавань setup.exe"
    assert (tmp_path / "download").read_bytes() == content
    look = os.environ.get("GAVAN_SCREENSHOTS")
    for width in (1280, 400):
        page.set_viewport_size({"width": width, "height": 800})
        fits = page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert fits, f"the page is wider than {width} px"
        if look:
            page.screenshot(path=f"{look}/botmox-{width}.png")
    row.get_by_role("button", name="Remove").click()
    expect(row).to_have_count(0, timeout=PATIENCE_MS)
