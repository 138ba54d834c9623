"""The pipeline of a push, run here: every command of ci.yml in a clone, job by job, for real.

Actions of others are stood in for by what they leave behind: a clone of the repository, and the
tools that this machine has.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from gavan.ci.actions import CHECKOUT, PINNED
from tests.conftest import Database
from tests.ports import free_port

SHOP = Path(__file__).parents[2] / "unit" / "ci" / "shop"
GATES = ["env", "lint", "types", "unit", "build", "migrations", "smoke", "e2e", "checks"]
TOOLS = Path(sys.executable).parent


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop on free ports, its pipelines written and committed as a user does."""
    root = tmp_path_factory.mktemp("ci") / "r"
    shutil.copytree(SHOP, root)
    file = root / "gavan.toml"
    text = file.read_text()
    for port in ("54322", "54321", "3000", "5173"):
        text = text.replace(port, str(free_port()))
    file.write_text(text)
    _run("git init -q -b work && gavan ci generate", root)
    _run("git add -A && git -c user.name=a -c user.email=a@example.com commit -qm begin", root)
    return root


@pytest.fixture(scope="module")
def jobs(repository: Path) -> dict[str, Any]:
    document = yaml.safe_load((repository / ".github/workflows/ci.yml").read_text())
    found = document["jobs"]
    shell = document["defaults"]["run"]
    assert shell["shell"] == "bash"
    return {name: {**job, "at": shell["working-directory"]} for name, job in found.items()}


def test_the_pipeline_has_a_job_for_every_gate(jobs: dict[str, Any]) -> None:
    assert [*jobs] == [*GATES, "passed"]
    assert jobs["passed"]["needs"] == GATES


@pytest.mark.parametrize("gate", GATES)
def test_every_command_of_a_gate_succeeds_in_a_fresh_clone(
    repository: Path, jobs: dict[str, Any], gate: str, tmp_path: Path
) -> None:
    for done in _job(jobs[gate], repository, tmp_path / "c"):
        assert done.returncode == 0, f"{done.args}\n{done.stdout}"


@pytest.mark.parametrize(
    ("gate", "file", "text"),
    [
        ("env", "gavan.toml", "\n[apps.api.env]\nKEY = '${UNHEARD_OF}'\n"),
        ("lint", "api/prices.py", "\nimport os\n"),
        ("types", "api/prices.py", "\nwrong: int = 'x'\n"),
        ("unit", "web/src/main.test.js", "\nthrow new Error('red');\n"),
        ("build", "web/build.js", "\nprocess.exit(1);\n"),
        ("migrations", "supabase/migrations/001_item.sql", "creat table nothing;\n"),
        ("checks", "api/prices.py", "\n# a\ttab\n"),
    ],
)
def test_a_gate_does_not_let_the_mistake_through_that_it_is_for(
    repository: Path, jobs: dict[str, Any], tmp_path: Path, gate: str, file: str, text: str
) -> None:
    results = []
    for done in _job(jobs[gate], repository, tmp_path / "c", {file: text}):
        results.append(done.returncode)
    assert any(results)


@pytest.mark.parametrize(
    ("results", "code"), [("success skipped success", 0), ("success failure", 1), ("cancelled", 1)]
)
def test_the_last_job_stands_for_all_gates(
    jobs: dict[str, Any], tmp_path: Path, results: str, code: int
) -> None:
    [step] = jobs["passed"]["steps"]
    assert step["env"] == {"RESULTS": "${{ join(needs.*.result, ' ') }}"}
    assert _run(step["run"], tmp_path, {"RESULTS": results}, check=False).returncode == code


def test_a_database_elsewhere_is_migrated_and_its_jobs_run(
    repository: Path, database: Database
) -> None:
    asked = ("--set", 'ci.workflows=["db-migrate","metrics-refresh"]')
    printed = _run(shlex.join(["gavan", "ci", "generate", "--stdout", "--json", *asked]),
                   repository).stdout  # fmt: skip
    url = {"SUPABASE_DB_URL": database.url()}
    ran = []
    for text in json.loads(printed.splitlines()[-1])["data"].values():
        [job] = yaml.safe_load(text)["jobs"].values()
        for step in job["steps"]:
            # The second place of the backup is no part of this test.
            if "GAVAN_SET" in step.get("env", {}) and step["name"] != "Backup":
                assert step["env"]["SUPABASE_DB_URL"] == "${{ secrets.SUPABASE_DB_URL }}"
                done = _run(step["run"], repository, {**step["env"], **url}, check=False)
                assert done.returncode == 0, done.stdout
                ran.append(step["name"])
    assert ran == ["What is pending", "Apply", "Nothing is left", "Run totals"]
    with database.connect() as connection:
        assert connection.execute("select count(*) from item").fetchone() == (0,)


def _job(
    job: Mapping[str, Any], repository: Path, clone: Path, changes: Mapping[str, str] | None = None
) -> Iterator[subprocess.CompletedProcess[str]]:
    """Run the steps of a job as the runner does; what must run always runs after a failure."""
    failed = False
    for step in job["steps"]:
        if "uses" in step:
            name, _, commit = step["uses"].partition("@")
            assert PINNED[name].commit == commit
            if name == CHECKOUT.name:
                _run(f"git clone -q {repository} {clone}", repository)
                for file, text in (changes or {}).items():
                    with (clone / file).open("a") as opened:
                        opened.write(text)
            continue
        if failed and step.get("if") != "always()":
            continue
        folder = clone / step.get("working-directory", job["at"])
        done = _run(step["run"], folder, step.get("env"), check=False)
        failed = failed or done.returncode != 0
        yield done


def _run(
    command: str, folder: Path, env: Mapping[str, str] | None = None, *, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a command in the shell that GitHub gives to `shell: bash`."""
    argv = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command]
    outside = {name: value for name, value in os.environ.items() if not name.startswith("GAVAN_")}
    path = f"{TOOLS}{os.pathsep}{outside['PATH']}"
    return subprocess.run(argv, cwd=folder, env={**outside, "PATH": path, **(env or {})},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=170, check=check)  # fmt: skip
