"""A Docker Engine of the tests' own, begun once per session; see machines/README.md."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

MACHINES = Path(__file__).parent / "machines"
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
