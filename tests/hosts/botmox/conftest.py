"""Botmox in a repository, a server with Docker, a browser: for the files of this folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.hosts.botmox.stack import Registry, Repository, Server
from tests.hosts.conftest import machine
from tests.ports import free_port
from tests.servers import wait_until
from tests.stacks.conftest import ARGUMENTS, chromium_binary

NAME = "bmxtest"
REGISTRY = """\
version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
http: {{addr: "0.0.0.0:{port}", secret: testhost}}
auth: {{htpasswd: {{realm: testhost, path: {folder}/htpasswd}}}}
"""
HOST = "botmox"


@pytest.fixture(scope="session")
def ports() -> dict[str, int]:
    return {"http": free_port(), "https": free_port()}


@pytest.fixture(scope="session")
def private_registry(
    tmp_path_factory: pytest.TempPathFactory, image_registry: str, docker_engine: dict[str, str]
) -> Iterator[Registry]:
    """A registry that asks who you are, as GHCR does; of the program that the other one is."""
    program = shutil.which("docker-registry", path=docker_engine["PATH"])
    assert program is not None
    folder = tmp_path_factory.mktemp("registry")
    found = Registry(host=image_registry.partition(":")[0], port=free_port())
    digest = bcrypt.hashpw(found.password.encode(), bcrypt.gensalt(4)).decode()
    (folder / "htpasswd").write_text(f"{found.user}:{digest}\n")
    (folder / "config.yml").write_text(REGISTRY.format(folder=folder, port=found.port))
    process = subprocess.Popen([program, "serve", str(folder / "config.yml")],
                               env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        wait_until(lambda: found.status() == 401, 30)
        yield found
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="session")
def repository(
    tmp_path_factory: pytest.TempPathFactory, private_registry: Registry, ports: dict[str, int]
) -> Repository:
    """The stack as a person has it, under git."""
    root = tmp_path_factory.mktemp("b") / NAME
    return Repository.make(root, NAME, f"{private_registry.address}/acme", ports)


@pytest.fixture(scope="session")
def server(docker_engine: dict[str, str]) -> Iterator[Server]:
    """A server with Docker and nothing of ours."""
    del docker_engine
    place = machine("vps-up.sh", HOST, "--outside")
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{Path(place['TESTHOST_SSH_CONFIG']).with_name('bin')}:{before}"
    try:
        address = place[f"TESTHOST_{HOST.upper()}_IP"]
        rows = Path(place["TESTHOST_KNOWN_HOSTS"]).read_text().splitlines()
        key = next(row.partition(" ")[2] for row in rows if row.startswith(f"{address} "))
        found = Server(address=address, host_key=key,
                       private_key=Path(place["TESTHOST_SSH_KEY"]).read_text())  # fmt: skip
        # Elsewhere the server pulls this one from Docker Hub.
        subprocess.run(f"docker save caddy:2 | ssh root@{address} docker load -q", shell=True,
                       check=True, capture_output=True)  # fmt: skip
        yield found
    finally:
        os.environ["PATH"] = before
        machine("vps-down.sh", HOST)


@pytest.fixture(scope="module")
def finding() -> tuple[str, ...]:
    """Arguments by which a browser finds hosts that DNS does not know: none."""
    return ()


@pytest.fixture(scope="module")
def chromium(finding: tuple[str, ...]) -> Iterator[Browser]:
    """A browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_binary(), args=[*ARGUMENTS, *finding]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A window that takes the certificates of an authority of our own."""
    context = chromium.new_context(
        ignore_https_errors=True, viewport={"width": 1280, "height": 800}, locale="en-GB"
    )
    yield context.new_page()
    context.close()
