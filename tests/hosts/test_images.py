"""Images of a small stack, made by the real Docker: what is in them, and whether they run."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.ports import free_port

GAVAN = str(Path(sys.executable).with_name("gavan"))
pytestmark = pytest.mark.usefixtures("docker_engine")

STACK = """
[stack]
name = "shop"

[apps.api]
dir = "api"
command = "python -m http.server --bind $HOST $PORT"
port = 8000
health = { path = "/", interval = "1s" }

[sites.web]
dir = "web"
output = "public"
"""


LOCK = {
    "lockfileVersion": 3,
    "packages": {
        "": {"name": "web"},
        "node_modules/@scope/left": {"version": "1.0.0", "license": "MIT"},
        "node_modules/vite": {"version": "7.0.0", "dev": True},
    },
}
SBOMS: dict[str, Path] = {}


def run(*words: str, cwd: Path | None = None) -> str:
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wait_healthy(container: str) -> None:
    until = time.monotonic() + 60
    while (
        run("docker", "inspect", "-f", "{{.State.Health.Status}}", container).strip() != "healthy"
    ):
        assert time.monotonic() < until, run("docker", "logs", container)
        time.sleep(0.2)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The names of the images of a stack, by part."""
    root = tmp_path_factory.mktemp("shop")
    (root / "gavan.toml").write_text(STACK)
    (root / "api").mkdir()
    (root / "api" / "requirements.txt").write_text("")
    (root / "api" / "tests").mkdir()
    (root / "api" / "tests" / "big.txt").write_text("not in the image")
    (root / "api" / ".env").write_text("TOKEN=not-in-the-image\n")
    public = root / "web" / "public"
    public.mkdir(parents=True)
    (public / "index.html").write_text("<script>var url='__GAVAN_VITE_SUPABASE_URL__'</script>")
    (root / "supabase" / "migrations").mkdir(parents=True)
    (root / "supabase" / "migrations" / "001_a.sql").write_text("select 1;\n")
    (root / "web" / "package-lock.json").write_text(json.dumps(LOCK))
    words = ("build", "--tag", "v1.2.3", "--sbom", "made-of")
    result = json.loads(run(GAVAN, "--json", *words, cwd=root))
    assert [Path(file).name for file in result["data"]["sboms"]] == [
        f"{image['part']}.cdx.json" for image in result["data"]["images"]
    ]
    SBOMS.update({Path(file).name.partition(".")[0]: root / file
                  for file in result["data"]["sboms"]})  # fmt: skip
    return {image["part"]: image["references"][0] for image in result["data"]["images"]}


@pytest.fixture
def started(images: dict[str, str]) -> Iterator[list[str]]:
    containers: list[str] = []
    yield containers
    for container in containers:
        run("docker", "rm", "-f", container)


def test_every_part_has_an_image_of_the_tag(images: dict[str, str]) -> None:
    assert images["api"] == "shop-api:v1.2.3"
    assert images["web"] == "shop-web:v1.2.3"
    assert images["stack"] == "shop-stack:v1.2.3"
    assert images["gavan"].startswith("gavan:0.")


def test_an_app_runs_healthy_without_root_and_without_what_is_private(
    images: dict[str, str], started: list[str]
) -> None:
    container = run("docker", "run", "-d", "--read-only", "--cap-drop=ALL", images["api"]).strip()
    started.append(container)
    wait_healthy(container)
    assert run("docker", "exec", container, "id", "-u").strip() == "10001"
    assert run("docker", "exec", container, "ls", "-A", "/app").split() == ["requirements.txt"]


def test_a_site_takes_the_address_of_its_place_and_answers_deep_links(
    images: dict[str, str], started: list[str]
) -> None:
    port = free_port()
    container = run(
        *("docker", "run", "-d", "--read-only", "--tmpfs", "/tmp", "-p", f"127.0.0.1:{port}:8080"),
        *("-e", "VITE_SUPABASE_URL=https://api.example.com", images["web"]),
    ).strip()
    started.append(container)
    wait_healthy(container)
    page = run("curl", "-sS", f"http://127.0.0.1:{port}/deep/link")
    assert "var url='https://api.example.com'" in page
    missing = run("curl", "-sSo", "/dev/null", "-w", "%{http_code}",
                  f"http://127.0.0.1:{port}/assets/gone.js")  # fmt: skip
    assert missing == "404"


def test_a_site_refuses_a_value_that_would_change_its_program(images: dict[str, str]) -> None:
    words = ("docker", "run", "--rm", "-e", "VITE_SUPABASE_URL='+alert(1)+'", images["web"])
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "VITE_SUPABASE_URL has characters" in done.stderr


def test_the_image_of_the_stack_reads_its_stack_file(images: dict[str, str]) -> None:
    said = run("docker", "run", "--rm", images["stack"], "gavan", "--json", "check")
    assert json.loads(said)["ok"] is True
    assert "001_a.sql" in run("docker", "run", "--rm", images["stack"], "ls",
                              "supabase/migrations")  # fmt: skip


def test_a_build_that_fails_shows_its_last_lines(tmp_path: Path) -> None:
    (tmp_path / "gavan.toml").write_text('[stack]\nname = "bad"\n[apps.api]\ncommand = "true"\n')
    (tmp_path / "Dockerfile").write_text("FROM python:3.13-slim\nRUN echo so it goes && false\n")
    done = subprocess.run([GAVAN, "build", "api", "--tag", "v0.0.1"], cwd=tmp_path,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 1
    assert "GV501 the image of api could not be built" in done.stderr
    assert "so it goes" in done.stderr


def test_each_image_says_what_it_is_made_of(images: dict[str, str]) -> None:
    for part, image in images.items():
        text = SBOMS[part].read_text()
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
        read = json.loads(text)
        told = {one["name"]: one for one in read["components"]}
        words = ("run", "--rm", "--network", "none", "--entrypoint", "dpkg-query", image)
        system = run("docker", *words, "-W", "-f", "${Package} ${Version}\\n").splitlines()
        assert len(system) > 20
        for line in system:
            name, version = line.split()
            assert told[name]["version"] == version
        assert read["metadata"]["component"]["name"] == image.rpartition(":")[0]
    inside = {one["purl"] for one in json.loads(SBOMS["gavan"].read_text())["components"]}
    for name in ("psycopg", "starlette", "uvicorn"):
        assert f"pkg:pypi/{name}@{metadata.version(name)}" in inside
    bundled = {one["purl"] for one in json.loads(SBOMS["web"].read_text())["components"]}
    assert "pkg:npm/%40scope/left@1.0.0" in bundled
    assert "pkg:npm/vite@7.0.0" not in bundled
