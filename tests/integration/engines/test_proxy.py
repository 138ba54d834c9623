"""Built sites behind a real Caddy, from the generated Caddyfile; builds of a site."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from gavan.engines.embedded import build, caddyfile
from gavan.engines.embedded.units import caddy
from gavan.stack.load import load_stack
from tests.ports import free_port
from tests.servers import wait_until


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """Serve a small site with one app behind a route; give its address."""
    port, app_port = free_port(), free_port()
    dist = tmp_path / "my site" / "dist"
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text("<p>page</p>")
    (dist / "assets" / "a.js").write_text("let a = 1;" * 200)
    (tmp_path / "gavan.toml").write_text(
        f'[stack]\nname = "s"\n[sites.web]\ndir = "my site"\ndev_port = {port}\nbuild = "true"\n'
        'headers = { X-Own = "a {b} \\"c\\"" }\n'
        f'[apps.api]\ncommand = "true"\nport = {app_port}\nneeds = {{}}\n'
        'routes = [{ path = "/api", strip = true }]\n'
    )
    stack = load_stack(tmp_path / "gavan.toml", environ={})
    config = tmp_path / "Caddyfile"
    config.write_text(caddyfile.render(stack, tmp_path / "store"))
    app = subprocess.Popen(
        [sys.executable, "-m", "http.server", str(app_port), "--bind", "127.0.0.1"],
        cwd=dist / "assets", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    proxy = subprocess.Popen(
        [caddy(), "run", "--config", str(config), "--adapter", "caddyfile"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: status(f"{address}/") == 200 and status(f"{address}/api/a.js") == 200)
        yield address
    finally:
        for process in (proxy, app):
            process.terminate()
            process.wait(60)


def get(url: str) -> tuple[int, str, dict[str, str]]:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return response.status, response.read().decode("utf-8", "replace"), headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, "", {}


def status(url: str) -> int:
    try:
        return get(url)[0]
    except OSError:
        return 0


def test_unknown_paths_are_the_page_and_unknown_assets_are_not(site: str) -> None:
    assert get(f"{site}/board/7")[:2] == (200, "<p>page</p>")
    assert status(f"{site}/assets/gone.js") == 404


def test_assets_are_kept_for_ever_and_pages_are_not(site: str) -> None:
    assert "immutable" in get(f"{site}/assets/a.js")[2]["cache-control"]
    assert get(f"{site}/")[2]["cache-control"] == "no-cache"


def test_answers_carry_security_headers_and_the_sites_own(site: str) -> None:
    headers = get(f"{site}/")[2]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-own"] == 'a {b} "c"'
    assert "server" not in headers


def test_answers_are_compressed(site: str) -> None:
    request = urllib.request.Request(f"{site}/assets/a.js", headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request, timeout=5) as response:
        assert response.headers["Content-Encoding"] == "gzip"


def test_a_route_leads_to_its_app_without_its_prefix(site: str) -> None:
    assert get(f"{site}/api/a.js")[1].startswith("let a = 1;")


def run_build(folder: Path, command: str, **env: str) -> subprocess.CompletedProcess[str]:
    job = build.SiteBuild(
        dir=str(folder), output="dist", command=command, prefix="VITE_",
        record=str(folder.parent / "record"),
    )  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "gavan.engines.embedded.build"],
        env={"PATH": os.environ["PATH"], build.VARIABLE: build.encode(job), **env},
        text=True, capture_output=True, check=False,
    )  # fmt: skip


def test_a_site_is_built_once_and_again_when_something_changed(tmp_path: Path) -> None:
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "main.ts").write_text("1")
    command = "mkdir -p dist && echo x >> dist/index.html"

    def builds() -> int:
        assert run_build(folder, command, **env).returncode == 0
        return len((folder / "dist" / "index.html").read_text().splitlines())

    env = {"VITE_URL": "a"}
    assert [builds(), builds()] == [1, 1]
    (folder / "main.ts").write_text("22")
    assert [builds(), builds()] == [2, 2]
    env = {"VITE_URL": "b"}
    assert [builds(), builds()] == [3, 3]


def test_a_failing_build_fails_with_its_output(tmp_path: Path) -> None:
    done = run_build(tmp_path, "echo syntax error in main.ts >&2; exit 2")
    assert done.returncode == 2
    assert "syntax error" in done.stderr
    assert json.loads(json.dumps(done.stdout)) == "$ echo syntax error in main.ts >&2; exit 2\n"


def test_a_build_that_makes_nothing_is_a_failure(tmp_path: Path) -> None:
    done = run_build(tmp_path, "true")
    assert done.returncode == 1
    assert "made no files" in done.stdout
