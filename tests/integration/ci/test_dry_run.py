"""The pipelines of a push, run here: every command in a fresh clone, job by job, for real."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Database
from tests.ports import free_port
from tests.rclone_s3 import BUCKET, RunningS3, running_s3
from tests.workflows import GitlabRunner, Machine, Ran, Runner, run_command, workflow_of

SHOP = Path(__file__).parents[2] / "unit" / "ci" / "shop"
GATES = ["env", "lint", "types", "unit", "build", "migrations", "smoke", "e2e", "checks"]
PROVIDERS = ("github", "gitlab")
ELSEWHERE = ("db-migrate", "metrics-refresh", "backup-check")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop on free ports, every pipeline of it written and committed as a user does."""
    root = tmp_path_factory.mktemp("ci") / "r"
    shutil.copytree(SHOP, root)
    file = root / "gavan.toml"
    text = file.read_text()
    for port in ("54322", "54321", "3000", "5173"):
        text = text.replace(port, str(free_port()))
    file.write_text(text)
    names = ["ci", "web-ci", "deploy-prod", "rollback-prod", *ELSEWHERE]
    with file.open("a") as opened:
        opened.write(f'provider = ["github", "gitlab"]\nworkflows = {names}\n')
    who = "git -c user.name=a -c user.email=a@example.com"
    said = run_command(
        f"git init -q -b main && gavan ci generate && git add -A && {who} commit -qm begin",
        root,
        Machine(repository=root, home=root).environment({}),
    )
    assert said.code == 0, said.said
    return root


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningS3]:
    """The second place of the backups."""
    with running_s3(tmp_path_factory.mktemp("s") / "s3") as server:
        yield server


def workflow(repository: Path, name: str) -> dict[str, Any]:
    return workflow_of((repository / ".github" / "workflows" / f"{name}.yml").read_text())


def pipeline(repository: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((repository / ".gitlab-ci.yml").read_text())
    return found


def started(
    provider: str,
    name: str,
    where: tuple[Path, Path],
    known: Mapping[str, str] | None = None,
    changes: Mapping[str, str] | None = None,
) -> list[Ran]:
    """Run a gate, or the one job of a workflow, or the job of GitLab that is for the same.

    ``where``: the repository and a home for the runner; ``known``: its secrets.
    """
    root, home = where
    more = changes or {}
    if provider == "github":
        found = workflow(root, "ci" if name in GATES else name)
        job = name if name in GATES else next(iter(found["jobs"]))
        contexts = {"secrets": known or {}}
        return list(Runner(repository=root, home=home, changes=more, contexts=contexts)
                    .run(found, job))  # fmt: skip
    job = "web-ci:web" if name == "web-ci" else name
    return list(GitlabRunner(repository=root, home=home, changes=more, variables=known or {})
                .run(pipeline(root), job))  # fmt: skip


def secrets(s3: RunningS3, database: Database) -> dict[str, str]:
    return {"SUPABASE_DB_URL": database.url(), "BACKUP_ENDPOINT": s3.url, "BACKUP_BUCKET": BUCKET,
            "BACKUP_KEY_ID": s3.key_id, "BACKUP_SECRET": s3.secret}  # fmt: skip


def test_the_pipeline_has_a_job_for_every_gate(repository: Path) -> None:
    jobs = workflow(repository, "ci")["jobs"]
    assert [*jobs] == [*GATES, "passed"]
    assert jobs["passed"]["needs"] == GATES
    assert [name for name, job in pipeline(repository).items()
            if isinstance(job, dict) and job.get("stage") == "gates"] == [
        *GATES, "web-ci:web",
    ]  # fmt: skip


@pytest.mark.parametrize("gate", GATES)
def test_every_command_of_a_gate_succeeds_in_a_fresh_clone(
    repository: Path, gate: str, tmp_path: Path
) -> None:
    runner = Runner(repository=repository, home=tmp_path / "h")
    for done in runner.run(workflow(repository, "ci"), gate):
        assert done.code == 0, f"{done.name}\n{done.said}"


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
    repository: Path, tmp_path: Path, gate: str, file: str, text: str
) -> None:
    ran = started("github", gate, (repository, tmp_path / "h"), changes={file: text})
    assert any(one.code for one in ran)


@pytest.mark.parametrize(
    ("results", "code"), [("success skipped success", 0), ("success failure", 1), ("cancelled", 1)]
)
def test_the_last_job_stands_for_all_gates(
    repository: Path, tmp_path: Path, results: str, code: int
) -> None:
    [step] = workflow(repository, "ci")["jobs"]["passed"]["steps"]
    assert step["env"] == {"RESULTS": "${{ join(needs.*.result, ' ') }}"}
    assert run_command(step["run"], tmp_path, {"RESULTS": results}).code == code


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_site_that_changed_is_built_and_kept(
    repository: Path, tmp_path: Path, provider: str
) -> None:
    ran = started(provider, "web-ci", (repository, tmp_path / "h"))
    assert {one.code for one in ran} == {0}, ran
    assert list((tmp_path / "h" / "kept" / "web-dist").iterdir())


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_database_elsewhere_is_backed_up_and_migrated_and_its_jobs_run(
    repository: Path, tmp_path: Path, s3: RunningS3, database: Database, provider: str
) -> None:
    said = ""
    for name in ELSEWHERE:
        ran = started(provider, name, (repository, tmp_path / "h"), secrets(s3, database))
        assert {one.code for one in ran} == {0}, ran
        said += "".join(one.said for one in ran)
    assert s3.secret not in said
    assert database.url() not in said
    backups = [path.name for path in (s3.folder / BUCKET).iterdir() if "-logical-" in path.name]
    assert any(name in said for name in backups), "the check lists what the migration sent"
    with database.connect() as connection:
        assert connection.execute("select count(*) from item").fetchone() == (0,)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_migrations_that_are_looked_for_in_the_wrong_folder_fail_the_job(
    repository: Path, tmp_path: Path, s3: RunningS3, database: Database, provider: str
) -> None:
    away = "\n[database.migrations]\ndir = 'api'\n"
    where = (repository, tmp_path / "h")
    ran = started(provider, "db-migrate", where, secrets(s3, database), {"gavan.toml": away})
    [broken] = [one for one in ran if one.code]
    assert "GV343 0 local migration files" in broken.said


@pytest.mark.parametrize(("name", "key"), [("deploy-prod", "image"), ("rollback-prod", "previous")])
@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("sha-1a2b3c4", 0), ("sha-1a2b3c4d5e6f", 0), ("main-latest", 0), ("v1.20.3", 0), ("", 2),
        ("latest", 2), ("sha-1a2b3c", 2), ("sha-1A2B3C4", 2), ("sha-1a2b3c4; id", 2),
        ("v1.2", 2), ("--help", 2), ("v1.2.3\nid", 2), ("$(id)", 2),
    ],
)  # fmt: skip
def test_the_tag_of_a_release_is_one_or_the_job_ends(
    repository: Path, tmp_path: Path, name: str, key: str, tag: str, code: int
) -> None:
    [job] = workflow(repository, name)["jobs"].values()
    [step] = [one for one in job["steps"] if one["name"] == "The tag is one of a release"]
    variable = f"{key.upper()}_TAG"
    assert step["env"] == {variable: f"${{{{ inputs.{key}_tag }}}}"}
    assert pipeline(repository)[name]["script"][0] == step["run"]
    assert run_command(step["run"], tmp_path, {variable: tag}).code == code


def test_both_providers_run_the_same_verbs_in_the_same_order(repository: Path) -> None:
    gates = workflow(repository, "ci")["jobs"]
    for name in (*GATES, "deploy-prod", "rollback-prod", "web-ci", *ELSEWHERE):
        job = (
            gates[name]
            if name in GATES
            else next(iter(workflow(repository, name)["jobs"].values()))
        )
        here = [step["run"] for step in job["steps"] if "run" in step]
        there = pipeline(repository)["web-ci:web" if name == "web-ci" else name]
        lines = [*there["before_script"], *there["script"], *there.get("after_script", [])]
        assert _verbs("\n".join(here)) == _verbs("\n".join(lines)), name


@pytest.fixture
def desktop(tmp_path: Path) -> Path:
    """The shop as a desktop app too. Its Tauri makes no binary: it leaves bundles where the real
    one does, signed by what it was given."""
    root = tmp_path / "d"
    shutil.copytree(SHOP, root)
    cli = root / "web" / "tools" / "tauri"
    cli.mkdir(parents=True)
    (cli / "package.json").write_text(
        '{"name": "@tauri-apps/cli", "version": "2.0.0", "bin": {"tauri": "tauri.js"}}'
    )
    (cli / "tauri.js").write_text(TAURI)
    (root / "web" / "src-tauri").mkdir()
    (root / "web" / "src-tauri" / "tauri.conf.json").write_text("{}")
    env = Machine(repository=root, home=tmp_path / "made").environment({})
    who = "git -c user.name=a -c user.email=a@example.com"
    made = run_command(
        "(cd web && npm install --silent --no-audit --no-fund --save-dev ./tools/tauri"
        " && rm -r node_modules) && git init -q -b main"
        f" && gavan ci generate && git add -A && {who} commit -qm begin", root, env,
    )  # fmt: skip
    assert made.code == 0, made.said
    return root


TAURI = """#!/usr/bin/env node
const fs = require("fs"), path = require("path");
const key = process.env.TAURI_SIGNING_PRIVATE_KEY;
if (process.argv[2] !== "build" || !key || !process.env.TAURI_SIGNING_PRIVATE_KEY_PASSWORD)
  process.exit(3);
const at = "src-tauri/target/release/bundle";
for (const name of ["dmg/Shop 1.0.0.dmg", "macos/Shop.app.tar.gz", "macos/Shop.app.tar.gz.sig",
                    "macos/Shop.app/Info.plist"]) {
  fs.mkdirSync(path.dirname(`${at}/${name}`), {recursive: true});
  fs.writeFileSync(`${at}/${name}`, name);
}
"""
GH = """#!/bin/sh
# Stands in for GitHub's own program: keeps the words it hears, and knows the releases it made.
[ -n "$GH_TOKEN" ] || exit 4
printf '%s\\n' "$@" -- >> "$HOME/heard"
case "$2" in
  view) [ -e "$HOME/release-$3" ] ;;
  create) [ ! -e "$HOME/release-$3" ] && touch "$HOME/release-$3" ;;
  upload) [ $# -gt 4 ] ;;
esac
"""


def released(desktop: Path, home: Path, secret: str = "key") -> list[Ran]:
    """Run the workflow of a tag, with a program in place of GitHub's."""
    programs = home / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    (programs / "gh").write_text(GH)
    (programs / "gh").chmod(0o755)
    contexts = {"github": {"token": "t", "ref_name": "v1.0.0"},
                "secrets": {"TAURI_PRIVATE_KEY": secret, "TAURI_KEY_PASSWORD": "p"}}  # fmt: skip
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    runner = Runner(repository=desktop, home=home, contexts=contexts, outside={"PATH": path})
    return list(runner.run(workflow(desktop, "tauri-ci"), "web"))


def test_a_tag_makes_a_draft_with_every_signed_bundle_also_when_the_job_is_run_again(
    desktop: Path, tmp_path: Path
) -> None:
    home = tmp_path / "h"
    bundles = "web/src-tauri/target/release/bundle"
    for _ in range(2):
        ran = released(desktop, home)
        assert {one.code for one in ran} == {0}, ran
    heard = [call.split("\n") for call in (home / "heard").read_text().split("--\n")[:-1]]
    calls = [" ".join(words[:2]) for words in heard]
    assert calls == ["release view", "release create", "release upload", "release view",
                     "release upload"]  # fmt: skip
    assert {"--draft", "--verify-tag", "v1.0.0"} <= set(heard[1])
    assert sorted(word for word in heard[2] if word.startswith("web/")) == [
        f"{bundles}/dmg/Shop 1.0.0.dmg", f"{bundles}/macos/Shop.app.tar.gz",
        f"{bundles}/macos/Shop.app.tar.gz.sig",
    ]  # fmt: skip


def test_a_build_that_is_not_signed_makes_no_release(desktop: Path, tmp_path: Path) -> None:
    ran = released(desktop, tmp_path / "h", secret="")
    assert [one.name for one in ran if one.code] == ["Build and sign"]
    assert not (tmp_path / "h" / "heard").exists()


def _verbs(text: str) -> list[str]:
    return re.findall(r"\b(?:gavan [a-z]+(?: [a-z]+)?|npm (?:ci|run [a-z:0-9]+)|mypy|ruff)", text)
