"""A Docker Engine of the tests' own, begun once per session; see machines/README.md."""

from __future__ import annotations

import os
import shlex
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.pier import PROGRAM, Pier, environment_of, error_of

MACHINES = Path(__file__).parent / "machines"
SERVER = "pier"
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


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[dict[str, str]]:
    """The variables of a Docker Engine with the base images, set for the whole session."""
    if os.geteuid() != 0:
        pytest.skip("a Docker Engine of the tests' own needs root")
    try:
        variables = machine("docker-up.sh")
    except AssertionError as error:
        pytest.skip(f"this machine runs no Docker Engine: {error}")
    before = dict(os.environ)
    os.environ.update(variables)
    machine("base-images.sh", *BASES)
    yield variables
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def image_registry(docker_engine: dict[str, str]) -> str:
    """Host and port of an image registry; what tests push lies below a folder of theirs."""
    del docker_engine
    return machine("registry-up.sh")["TESTHOST_REGISTRY"]


@pytest.fixture(scope="session")
def pier(
    tmp_path_factory: pytest.TempPathFactory, docker_engine: dict[str, str], image_registry: str
) -> Iterator[Pier]:
    """A stack on a server of its own, its first release sent over SSH, then from a registry."""
    del docker_engine
    place = machine("vps-up.sh", SERVER, "--outside")
    before = os.environ["PATH"]
    os.environ["PATH"] = environment_of(place)
    try:
        found = _pier(tmp_path_factory.mktemp("pier"), place)
        _first_release(found, image_registry)
        yield found
    finally:
        os.environ["PATH"] = before
        machine("vps-down.sh", SERVER)


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


def _first_release(pier: Pier, registry: str) -> None:
    pier.write("first")
    pier.commit("first")
    assert pier.gavan("hosts", "check").returncode == 3
    assert pier.gavan("--yes", "hosts", "bootstrap").returncode == 3, "TOKEN is nobody's to make"
    assert error_of(pier.deploy("--plan"))["code"] == "GV535"
    assert pier.gavan("hosts", "set", "TOKEN", stdin="very private").returncode == 0
    assert pier.gavan("--yes", "hosts", "bootstrap").returncode == 0
    for words in (("-p", "prod", "build"), ("--yes", "deploy")):
        done = pier.gavan(*words)
        assert done.returncode == 0, done.stdout + done.stderr
    pier.registry = f"{registry}/{uuid.uuid4().hex[:8]}"
    pier.write("second")
    pier.tag = pier.commit("second")
    pier.publish()
