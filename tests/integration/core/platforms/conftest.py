"""Every supported major of Postgres, with the roles and the schema of a PostgREST user."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.packages import node_binary, npm_packages
from tests.plain_postgres import PlainPostgres, programs_of_the_wheel, running_postgres

HERE = Path(__file__).parent
SCHEMA = HERE / "schema.sql"
OF_THE_WHEEL = 18
MAJORS = (14, 15, 16, 17, OF_THE_WHEEL)


@pytest.fixture(scope="session")
def place() -> Iterator[Callable[[], Path]]:
    """Return a function that makes directories with short names, gone after the session."""
    base = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())
    with ExitStack() as stack:

        def make() -> Path:
            name = tempfile.mkdtemp(prefix="gp-", dir=base)
            stack.callback(shutil.rmtree, name)
            return Path(name)

        yield make


@pytest.fixture(scope="session")
def packages() -> Path:
    """The folder of the npm packages that hold the older majors."""
    return npm_packages(HERE, _link_libraries)


def _link_libraries(modules: Path) -> None:
    """Make the links between the libraries; npm may have been told to run no scripts."""
    for package in modules.glob("postgres-*"):
        links = [node_binary(), "scripts/hydrate-symlinks.js"]
        subprocess.run(links, cwd=package, check=True, timeout=30)


@pytest.fixture(scope="session", params=MAJORS, ids=lambda major: f"postgres-{major}")
def postgres(request: pytest.FixtureRequest, place: Callable[[], Path]) -> Iterator[PlainPostgres]:
    """A running server of each major, one after the other."""
    root = place()
    if request.param == OF_THE_WHEEL:
        programs = programs_of_the_wheel(root)
    elif platform.machine() != "x86_64":
        pytest.skip("the packages of the older majors are for x86-64")
    else:
        packages: Path = request.getfixturevalue("packages")
        programs = packages / f"postgres-{request.param}" / "native" / "bin"
    with running_postgres(root, programs) as server:
        with server.connect() as connection:
            connection.execute(SCHEMA.read_bytes())
        yield server
