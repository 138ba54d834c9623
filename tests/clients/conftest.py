"""A live core on the CRM's database for unmodified clients, and the JavaScript ones installed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients.supabase_project import CLI, MAJORS, Project
from tests.conftest import Cluster, Database
from tests.live import Live, running_core
from tests.packages import INSTALL_TIMEOUT_S, install_once, node_binary, npm_packages
from tests.stacks.crm.database import clone, template

HERE = Path(__file__).parent
SUITES = HERE / "suites"
OWN_FOLDER = """
create policy "everybody's own folder" on storage.objects for all to authenticated using (
    bucket_id = 'people' and (storage.foldername(name))[1] = auth.uid()::text)
"""
OWN_CLUB = """
create policy "everybody's own club" on realtime.messages for all to authenticated using (
    split_part(realtime.topic(), ':', 1) = 'club'
    and split_part(realtime.topic(), ':', 2) = auth.uid()::text);
create function public.say(topic text, words text) returns void language sql as
    $$select realtime.send(jsonb_build_object('words', words), 'said', topic)$$;
"""


@pytest.fixture(scope="session")
def live(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    log = tmp_path_factory.mktemp("core") / "core.log"
    with (
        template(cluster) as name,
        clone(cluster, name) as crm,
    ):
        with crm.connect() as connection:
            connection.execute(OWN_FOLDER)
            connection.execute(OWN_CLUB)
        with running_core(crm.database, log) as core:
            yield core


@pytest.fixture(scope="session")
def node() -> str:
    """The node binary, with the packages of package-lock.json installed beside the tests."""
    npm_packages(HERE)
    return node_binary()


@pytest.fixture(scope="session")
def cli_node() -> str:
    """The node binary, with both majors of the supabase CLI and TypeScript installed."""
    npm_packages(CLI)
    return node_binary()


@pytest.fixture(params=MAJORS)
def project(
    request: pytest.FixtureRequest, cli_node: str, tmp_path: Path, database: Database
) -> Project:
    """An empty project of each major of the CLI, and a database of its own."""
    made = Project(tmp_path, database, cli_node, request.param)
    made.folder.mkdir(parents=True)
    return made


@pytest.fixture
def run_node(node: str, live: Live) -> Callable[[str], None]:
    """Run one file of node's own test runner against the live core; its report on failure."""

    def run(name: str) -> None:
        result = subprocess.run(
            [node, "--test", "--test-force-exit", "--test-reporter=spec", str(HERE / name)],
            env={
                "PATH": os.environ["PATH"],
                "SUPABASE_URL": live.url,
                "SUPABASE_ANON_KEY": live.anon_key,
                "SUPABASE_SERVICE_KEY": live.service_key,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr

    return run


@pytest.fixture
def npm() -> Path:
    """The node_modules of the suites, installed beside them."""
    return npm_packages(SUITES)


@pytest.fixture
def packages() -> Path:
    """The Python packages of the suites that nothing else needs, installed beside them."""
    manifest, folder = SUITES / "requirements.txt", SUITES / ".packages"
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(folder)]
    source = ["--requirement", str(manifest)]

    def install() -> None:
        subprocess.run([*command, *source], check=True, timeout=INSTALL_TIMEOUT_S)

    install_once(manifest, folder, install)
    return folder
