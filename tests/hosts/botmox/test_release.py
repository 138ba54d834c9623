"""Botmox on its server, by the workflows of its repository: a chosen tag, and the one before."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Page, expect

from tests.hosts.botmox.person import PATIENCE_MS, download, enter, sign_up, upload, visit
from tests.hosts.botmox.stack import REGISTRY_PASSWORD, Registry, Repository, Server
from tests.servers import wait_until
from tests.workflows import GitlabRunner, Ran, Runner, workflow_of

pytestmark = pytest.mark.timeout(600)
Start = Callable[..., list[Ran]]
CONTENT = os.urandom(400_000)
NAME = "Гавань setup.exe"
WELL = {"status": "ready", "data_backend": "supabase", "supabase_ready": True, "s3_ready": True,
        "env": "prod", "degraded": []}  # fmt: skip
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
ALWAYS = {
    "deploy-prod": {"Log of releases", "Remove the key", "Log out of the registry"},
    "rollback-prod": {"Log of releases", "Remove the key"},
}


@pytest.fixture(scope="module")
def prepared(server: Server, repository: Repository) -> Server:
    """The server as its owner prepares it from a desk, once."""
    repository.gavan("--yes", "hosts", "bootstrap", "--as", "root", env=server.env)
    return server


@pytest.fixture(scope="module")
def finding(server: Server) -> tuple[str, ...]:
    """What leads a browser to the server."""
    return (f"--host-resolver-rules=MAP *.{server.domain} {server.address}",)


@pytest.fixture(scope="module")
def tags(repository: Repository, prepared: Server, start: Start) -> tuple[str, str]:
    """The tags of two commits whose images the pipeline has made and sent."""
    del prepared
    found = [repository.tag]
    assert _codes(start("images", "images")) == {0}
    file = repository.root / "web" / "src" / "app.tsx"
    file.write_text(file.read_text().replace("<h1>Botmox<", "<h1>Botmox, second<"))
    found.append(repository.commit("a second heading"))
    assert _codes(start("images", gitlab=True)) == {0}
    return found[0], found[1]


@pytest.fixture(scope="module")
def runner_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the runner; docker finds its own plugins there."""
    home = tmp_path_factory.mktemp("h")
    shutil.copytree(os.environ["DOCKER_CONFIG"], home / ".docker", symlinks=True)
    return home


@pytest.fixture(scope="module")
def start(
    repository: Repository, server: Server, runner_home: Path, private_registry: Registry
) -> Start:
    """Return what starts a workflow on a runner that knows the server by its secrets alone."""

    def started(
        name: str, job: str = "production", after: Callable[[str], None] = lambda _: None,
        secrets: dict[str, str] | None = None, gitlab: bool = False, **inputs: str,
    ) -> list[Ran]:  # fmt: skip
        # Without the programs that know the key of the tests: only the secret opens the server.
        path = os.environ["PATH"].split(os.pathsep)
        outside = {"PATH": os.pathsep.join(each for each in path if not each.endswith("/lan/bin")),
                   "DOCKER_HOST": os.environ["DOCKER_HOST"]}  # fmt: skip
        known = {**server.pins, "VPS_SSH_KEY": server.private_key,
                 "REGISTRY_USER": private_registry.user,
                 "REGISTRY_PASSWORD": private_registry.password, **(secrets or {})}  # fmt: skip
        if gitlab:
            given = {key.upper(): tag for key, tag in inputs.items()}
            other = GitlabRunner(repository=repository.root, home=runner_home, outside=outside,
                                 variables={**known, "DOMAIN": server.domain, **given},
                                 after=after)  # fmt: skip
            return list(other.run(_pipeline(repository), name))
        file = repository.root / ".github" / "workflows" / f"{name}.yml"
        contexts = {"inputs": inputs, "vars": {"DOMAIN": server.domain}, "secrets": known}
        runner = Runner(repository=repository.root, home=runner_home, contexts=contexts,
                        outside=outside, after=after)  # fmt: skip
        return list(runner.run(workflow_of(file.read_text()), job))

    return started


def _pipeline(repository: Repository) -> dict[str, Any]:
    """Return the pipeline of GitLab; the engine that is a service of its job there is ours here."""
    found: dict[str, Any] = yaml.safe_load((repository.root / ".gitlab-ci.yml").read_text())
    own = found["images"]["variables"]
    found["images"]["variables"] = {
        name: value for name, value in own.items() if not name.startswith("DOCKER_")
    }
    return found


def _codes(ran: list[Ran]) -> set[int]:
    for one in ran:
        assert REGISTRY_PASSWORD not in one.said
        assert "PRIVATE KEY" not in one.said
        sys.stdout.write(f"{one.name}\n{one.said}" if one.code else "")
    return {one.code for one in ran}


def test_the_branch_sends_images_of_each_commit_and_moves_main_latest(
    tags: tuple[str, str], private_registry: Registry, runner_home: Path
) -> None:
    parts = ("stack", "backend", "web")
    for part in parts:
        assert private_registry.tags(f"acme/bmxtest-{part}") == {*tags, "main-latest"}
    kept = {file.name for file in (runner_home / "kept" / "image-sboms").iterdir()}
    assert kept == {f"{part}.cdx.json" for part in (*parts, "gavan")}


def test_a_chosen_tag_is_released_and_serves(
    server: Server,
    tags: tuple[str, str],
    start: Start,
    runner_home: Path,
    page: Page,
    tmp_path: Path,
) -> None:
    modes: set[int] = set()

    def look(_step: str) -> None:
        if (key := runner_home / ".gavan-ci" / "key").exists():
            modes.add(stat.S_IMODE(key.stat().st_mode))

    ran = start("deploy-prod", after=look, image_tag=tags[0])
    assert _codes(ran) == {0}, "the newer commit is not what was asked for"
    assert modes == {0o600}
    assert not (runner_home / ".gavan-ci").exists()
    sign_up(page, server.url("app"))
    row = upload(page, NAME, CONTENT)
    assert download(row, page, tmp_path / "download") == NAME
    assert (tmp_path / "download").read_bytes() == CONTENT


def test_the_server_keeps_no_login_of_the_registry(server: Server) -> None:
    asked = "find / -xdev -name config.json -path '*docker*' -newer /opt/bot-mox 2>/dev/null"
    assert "auth" not in server.run(f"{asked} | xargs -r cat")
    assert server.run("ls -A /home/deploy/.docker 2>/dev/null || true") == ""


def test_nothing_answers_but_the_proxy(server: Server) -> None:
    form = "{{.Names}} {{.Ports}}"
    lines = server.run(f"docker ps --format '{form}'").splitlines()
    assert [line.split()[0] for line in lines if "->" in line] == ["bmxtest-prod-proxy-1"]


def test_health_tells_the_release_and_every_part(server: Server, tags: tuple[str, str]) -> None:
    for host in ("app", "api"):
        told = server.get(host, "/api/v1/health").raise_for_status().json()
        assert told | {**WELL, "release": tags[0]} == told


def test_the_next_tag_and_back_again_keep_the_data(
    server: Server,
    tags: tuple[str, str],
    start: Start,
    runner_home: Path,
    page: Page,
    tmp_path: Path,
) -> None:
    first, second = tags
    assert _codes(start("deploy-prod", gitlab=True, image_tag=second)) == {0}
    assert not (runner_home / ".gavan-ci").exists()
    _enter(page, server)
    expect(page.get_by_role("heading", name="Botmox, second")).to_be_visible()
    expect(page.get_by_test_id("artifact")).to_contain_text(NAME, timeout=PATIENCE_MS)
    assert _codes(start("rollback-prod", previous_tag=first)) == {0}
    visit(page, server.url("app"))
    expect(page.get_by_role("heading", name="Botmox", exact=True)).to_be_visible()
    row = page.get_by_test_id("artifact")
    expect(row).to_contain_text(NAME, timeout=PATIENCE_MS)
    download(row, page, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == CONTENT
    assert _codes(start("rollback-prod", gitlab=True, previous_tag=second)) == {0}
    assert not (runner_home / ".gavan-ci").exists()
    assert server.run("cat /opt/bot-mox/slots/web").startswith("web-green:")


def test_the_log_of_releases_says_who_did_what(
    server: Server, repository: Repository, tags: tuple[str, str]
) -> None:
    first, second = tags
    listed = json.loads(repository.gavan("--json", "releases", "list", env=server.env))["data"]
    told = [(one["action"], one["tag"], one["result"], one["by"]) for one in listed["releases"]]
    assert told == [("deploy", first, "ok", "grace"), ("deploy", second, "ok", "grace"),
                    ("rollback", first, "ok", "grace"),
                    ("rollback", second, "ok", "grace")]  # fmt: skip
    urls = ["https://github.com/acme/shop/actions/runs/4711",
            "https://gitlab.com/acme/shop/-/pipelines/4711"]  # fmt: skip
    assert [one["ci"]["url"] for one in listed["releases"]] == urls * 2
    assert all(one["smoke"] and all(each["ok"] for each in one["smoke"])
               for one in listed["releases"])  # fmt: skip
    assert "each follows the one before" in repository.gavan("releases", "verify", env=server.env)


@pytest.mark.parametrize("name", ["deploy-prod", "rollback-prod"])
@pytest.mark.parametrize("tag", ["", "sha-1a2b3c4; id"])
def test_an_input_that_is_no_tag_ends_the_job_before_any_secret(
    server: Server, start: Start, name: str, tag: str
) -> None:
    before = server.run("ls /opt/bot-mox/releases")
    ran = start(name, image_tag=tag, previous_tag=tag)
    assert ran[0].name == "The tag is one of a release"
    assert ran[0].code == 2
    assert {one.name for one in ran[1:]} == ALWAYS[name]
    assert server.run("ls /opt/bot-mox/releases") == before


@pytest.mark.parametrize(
    ("secrets", "said"),
    [
        ({"VPS_HOST_KEY": OTHER_KEY}, "GV531"),
        ({"VPS_SSH_KEY": "no key"}, "error in libcrypto"),
    ],
    ids=["another server", "no key"],
)
def test_a_runner_talks_to_the_pinned_server_alone_and_leaves_no_key(
    tags: tuple[str, str], start: Start, runner_home: Path, secrets: dict[str, str], said: str
) -> None:
    ran = start("deploy-prod", secrets=secrets, image_tag=tags[1])
    [broken] = [one for one in ran if one.code and one.name != "Log of releases"]
    assert said in broken.said
    assert not (runner_home / ".gavan-ci").exists()
    agents = subprocess.run(["pgrep", "-f", f"ssh-agent.*{runner_home}"], check=False,
                            capture_output=True, text=True)  # fmt: skip
    assert agents.stdout == ""


def test_a_backup_is_made_by_the_clock_and_restored_onto_a_test_volume(
    server: Server,
) -> None:
    def backups() -> list[str]:
        names = server.run("ls /opt/bot-mox/backups").split()
        return [name for name in names if "-logical-" in name and not name.endswith(".partial")]

    before = set(backups())
    wait_until(lambda: bool(set(backups()) - before), 150)
    inside = "docker exec bmxtest-prod-cron-1 gavan --json backup drill"
    drill = json.loads(server.run(inside))["data"]
    told = {check["name"]: (check["outcome"], check["detail"]) for check in drill["checks"]}
    assert {outcome for outcome, _ in told.values()} == {"ok"}
    assert told["objects served"][1] == "1 fetched, each with its digest"
    assert told["questions"][1] == "1 of 1 answered true"


def test_the_memory_of_the_stack_is_told(
    server: Server, record_property: Callable[[str, object], None]
) -> None:
    taken = server.memory()
    record_property("memory_mib", taken)
    sys.stdout.write(f"botmox on its server: {sum(taken.values()):.0f} MiB {taken}\n")
    parts = ("backend-green", "core-blue", "cron", "postgres", "proxy", "web-green")
    assert sorted(taken) == [f"bmxtest-prod-{part}-1" for part in parts]


def _enter(page: Page, server: Server) -> None:
    visit(page, server.url("app"))
    enter(page, "ada@example.com", "Sign in")
