"""The real supabase CLI, both majors: its storage verbs and `seed buckets` against our core."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.clients.supabase_project import Project
from tests.live import Live, running_core

PAGE = 100
"""Entries that the CLI asks for at a time"""
CONFIG = """project_id = "p"
[api]
port = {port}
[storage.buckets.seeded]
public = true
file_size_limit = "1MiB"
allowed_mime_types = ["text/*", "application/json"]
objects_path = "./assets"
"""


@dataclass(frozen=True, slots=True)
class Local:
    """The CLI on what it takes for its local stack: our core."""

    project: Project
    live: Live

    @property
    def root(self) -> Path:
        return self.project.root

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a verb; raise AssertionError unless it exits with ``code``."""
        key = {"SUPABASE_AUTH_SERVICE_ROLE_KEY": self.live.service_key}
        done = self.project.supabase_alone(*arguments, "--local", "--yes", variables=key)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def storage(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        return self.run("storage", *arguments, "--experimental", code=code)

    def names(self, address: str) -> list[str]:
        return sorted(self.storage("ls", "-r", address).stdout.split())


@pytest.fixture
def local(project: Project) -> Iterator[Local]:
    supabase = project.root / "supabase"
    for name, text in (("a.txt", "hello"), ("sub/b.json", "{}")):
        path = supabase / "assets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with running_core(project.database, project.root / "core.log") as live:
        port = live.url.rpartition(":")[2]
        (supabase / "config.toml").write_text(CONFIG.format(port=port))
        yield Local(project, live)


def test_the_verbs_of_the_cli_do_what_they_do_upstream(local: Local) -> None:
    local.run("seed", "buckets")
    assert local.names("ss:///") == ["/seeded/a.txt", "/seeded/sub/b.json"]
    served = httpx.get(f"{local.live.url}/storage/v1/object/public/seeded/a.txt")
    assert (served.text, served.headers["cache-control"]) == ("hello", "max-age=3600")
    local.run("seed", "buckets")  # updates the bucket, replaces the objects

    for number in range(PAGE + 3):
        path = local.root / "many" / "deep" / f"{number:03}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    local.storage("cp", "-r", "-j", "1", "many", "ss:///made")  # makes the bucket
    assert len(local.names("ss:///made/")) == PAGE + 3
    local.storage("cp", "-r", "ss:///made/deep/", "back")
    assert len(list((local.root / "back").iterdir())) == PAGE + 3
    local.storage("mv", "ss:///made/deep/000.txt", "ss:///made/moved")
    refused = local.storage("mv", "ss:///made/missing", "ss:///made/other", code=1)
    assert '"error":"not_found","message":"Object not found"' in refused.stderr
    refused = local.storage("cp", "many/deep/001.txt", "ss:///made/moved", code=1)
    assert '"statusCode":"409"' in refused.stderr

    told = local.storage("rm", "ss:///made/moved", "ss:///made/nothing").stderr
    assert "Object not found: nothing" in told
    assert "Successfully deleted" in local.storage("rm", "-r", "ss:///made").stderr
    assert local.storage("ls").stdout.split() == ["seeded/"]
