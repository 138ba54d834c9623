"""A Docker Engine of the tests' own, one for all files that run abreast; see machines/README.md."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.pier import GAVAN, PROGRAM, Pier, environment_of
from tests.packages import alone

MACHINES = Path(__file__).parent / "machines"
# Files run abreast, each process with a server of its own.
SERVER = "pier" + os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
BASES = ("base", "python", "node", "caddy")


def machine(script: str, *words: str) -> dict[str, str]:
    """Run a script of the machines and return the variables that it prints."""
    done = subprocess.run(
        [str(MACHINES / script), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{script}: {done.stderr[-4000:]}"
    lines = [line for line in done.stdout.splitlines() if line.startswith("export ")]
    said = [word for line in lines for word in shlex.split(line.removeprefix("export "))]
    pairs = (word.partition("=") for word in said)
    return {name: os.path.expandvars(value) for name, _, value in pairs}


def make_images() -> None:
    """Make the images that stacks stand on, that of gavan too: once for all processes, so that
    none has another of the same name."""
    with alone(Path(__file__)), tempfile.TemporaryDirectory(prefix="gi-") as folder:
        machine("base-images.sh", *BASES)
        (Path(folder) / "gavan.toml").write_text('[stack]\nname = "first"\n')
        words = [GAVAN, "build", "stack", "--tag", "v0.0.0"]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[dict[str, str]]:
    """The variables of a Docker Engine with images to stand on, set for the whole session."""
    if os.geteuid() != 0:
        pytest.skip("a Docker Engine of the tests' own needs root")
    try:
        variables = machine("docker-up.sh")
    except AssertionError as error:
        pytest.skip(f"this machine runs no Docker Engine: {error}")
    before = dict(os.environ)
    os.environ.update(variables)
    make_images()
    yield variables
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def image_registry(docker_engine: dict[str, str]) -> str:
    """Host and port of an image registry; what tests push lies below a folder of theirs."""
    del docker_engine
    return machine("registry-up.sh")["TESTHOST_REGISTRY"]


@pytest.fixture(scope="module")
def quay(tmp_path_factory: pytest.TempPathFactory, docker_engine: dict[str, str]) -> Iterator[Pier]:
    """A stack in a repository, and a server of its own that nobody prepared."""
    del docker_engine
    place = machine("vps-up.sh", SERVER, "--outside")
    before = os.environ["PATH"]
    os.environ["PATH"] = environment_of(place)
    try:
        yield _pier(tmp_path_factory.mktemp("pier"), place)
    finally:
        os.environ["PATH"] = before
        machine("vps-down.sh", SERVER)


@pytest.fixture(scope="module")
def pier(quay: Pier, image_registry: str) -> Pier:
    """The stack on its server, released once from a registry."""
    quay.use(image_registry)
    # Elsewhere the server pulls this one from Docker Hub.
    quay.bring("caddy:2")
    quay.write("first")
    quay.tag = quay.commit("first")
    quay.prepare()
    quay.publish()
    quay.must("--yes", "deploy")
    return quay


def _pier(root: Path, place: dict[str, str]) -> Pier:
    address = place[f"TESTHOST_{SERVER.upper()}_IP"]
    known = Path(place["TESTHOST_KNOWN_HOSTS"])
    rows = known.read_text().splitlines()
    key = next(row.partition(" ")[2] for row in rows if row.startswith(f"{address} "))
    (root / "api").mkdir()
    (root / "api" / "requirements.txt").touch()
    (root / "api" / "main.py").write_text(PROGRAM)
    (root / ".gitignore").write_text(".gavan/\n")
    found = Pier(root=root, address=address, key=key, ctl=MACHINES / "host-ctl.sh", name=SERVER,
                 disk=known.parent.parent / "nodes" / SERVER / "upper")  # fmt: skip
    found.git("init", "-qb", "main")
    found.migration(
        "001_ship.sql", "create schema harbour; create table harbour.ship (name text);\n"
    )
    return found
