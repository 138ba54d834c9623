"""The lint finds what is wrong with a workflow, at its line; and nothing in ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from gavan.ci.check import check
from gavan.ci.document import read
from gavan.ci.files import files
from gavan.ci.github import FOLDER
from gavan.ci.lint import lint
from gavan.engines.generated import write
from gavan.stack.findings import Finding, Level
from tests.unit.ci.conftest import Shop
from tests.unit.ci.test_golden import ALL

VPS = ["VPS_HOST", "VPS_USER", "VPS_DEPLOY_PATH", "VPS_HOST_KEY"]
BACKUP = ["BACKUP_BUCKET", "BACKUP_ENDPOINT", "BACKUP_KEY_ID", "BACKUP_SECRET"]
SOUND = """\
on: {workflow_dispatch: {inputs: {tag: {type: string}}}}
permissions: {contents: read}
jobs:
  first:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1
      - run: echo "$TAG"
        env: {TAG: "${{ inputs.tag }}"}
  second:
    runs-on: ubuntu-24.04
    needs: first
    timeout-minutes: 5
    if: always() && needs.first.result == 'success'
    steps:
      - run: make
"""


def _found(root: Path, text: str) -> list[tuple[str, int, str]]:
    found = read(_written(root, text))
    findings = [found] if isinstance(found, Finding) else lint(found)
    return [(one.code, one.position.line, one.message) for one in findings]


def _written(root: Path, text: str) -> Path:
    file = root / FOLDER / "own.yml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_a_sound_workflow_has_no_findings(tmp_path: Path) -> None:
    assert _found(tmp_path, SOUND) == []


def test_ours_have_none_and_the_secrets_are_those_of_the_documents(shop: Shop) -> None:
    facts = shop(ALL)
    write(files(facts, ["github", "gitlab"]))
    checked = check(facts.repository)
    assert checked.findings == ()
    assert checked.skipped == [], "the schemas and ShellCheck were asked"
    assert len(checked.files) == 9
    assert checked.secrets == {
        "images.yml": ["GHCR_PAT"],
        "deploy-prod.yml": ["GHCR_PAT", *sorted([*VPS, "VPS_SSH_KEY"])],
        "rollback-prod.yml": sorted([*VPS, "VPS_SSH_KEY"]),
        "db-migrate.yml": [*BACKUP, "SUPABASE_DB_URL"],
        "metrics-refresh.yml": ["SUPABASE_DB_URL"],
        "backup-check.yml": BACKUP,
    }


@pytest.mark.parametrize("at", ["", "stacks/shop"])
def test_ours_have_none_wherever_the_stack_is_and_with_a_desktop_app(shop: Shop, at: str) -> None:
    facts = shop(ALL, at=at)
    (facts.stack.root / "web" / "src-tauri").mkdir()
    write(files(facts, ["github", "gitlab"]))
    checked = check(facts.repository)
    assert checked.findings == ()
    assert ".github/workflows/tauri-ci.yml" in checked.files


def test_a_mistake_of_the_shell_is_found_in_the_command_that_makes_it(tmp_path: Path) -> None:
    text = SOUND.replace("- run: make", '- run: |-\n          cd sub\n          rm -rf "$X/"*')
    _written(tmp_path, text)
    found = [one for one in check(tmp_path).findings if one.code == "GV568"]
    assert [(one.message[:6], one.position.line, one.why) for one in found] == [
        ("SC2115", 17, "line 2 of the command")
    ]


@pytest.mark.parametrize(
    ("old", "new", "code", "line", "said"),
    [
        ("needs: first", "needs: frist", "GV561", 13, "no job frist"),
        ("    runs-on: ubuntu-24.04\n    timeout-minutes: 5\n    steps:\n      - uses",
         "    runs-on: ubuntu-24.04\n    needs: second\n    timeout-minutes: 5\n    steps:\n"
         "      - uses", "GV561", 6, "wait for each other: first, second"),
        ("inputs.tag", "inputs.tga", "GV562", 10, "no inputs.tga"),
        ("inputs.tag", "input.tag", "GV562", 10, "no context input"),
        ("inputs.tag }}", "toJson(inputs.tag }}", "GV562", 10, "brackets do not match"),
        ("always()", "allways()", "GV562", 15, "no function allways"),
        ("workflow_dispatch: {inputs: {tag: {type: string}}}}", "pull_request: {}}",
         "GV562", 10, "no inputs.tag"),
        ('"$TAG"', '"${{ inputs.tag }}"', "GV564", 9, "in the text of a command"),
        ("checkout@3d3c42e5aac5ba805825da76410c181273ba90b1", "checkout@v7", "GV565", 8,
         "not pinned"),
        ("    timeout-minutes: 5\n    if", "    if", "GV566", 12, "no limit of its time"),
        ("permissions: {contents: read}", "env: {A: b}", "GV567", 1, "may do too much"),
        ("workflow_dispatch: {inputs: {tag: {type: string}}}",
         "workflow_dispatch: {inputs: {tag: {type: string}}}, pull_request_target: {}",
         "GV567", 1, "files of strangers"),
        ("jobs:", "jobs: [", "GV560", 5, "no YAML"),
    ],
)  # fmt: skip
def test_every_mistake_is_found_where_it_stands(
    tmp_path: Path, old: str, new: str, code: str, line: int, said: str
) -> None:
    assert old in SOUND
    found = _found(tmp_path, SOUND.replace(old, new, 1))
    assert any(one[:2] == (code, line) and said in one[2] for one in found), found


def test_a_secret_in_a_workflow_of_pull_requests_is_found(tmp_path: Path) -> None:
    text = SOUND.replace("on: {", "on: {pull_request: {}, ").replace("inputs.tag", "secrets.KEY")
    assert [(code, line) for code, line, _ in _found(tmp_path, text)] == [("GV563", 1)]


def test_lack_of_care_in_files_of_others_is_a_warning_and_what_cannot_run_an_error(
    tmp_path: Path,
) -> None:
    careless = SOUND.replace("checkout@3d3c42e5aac5ba805825da76410c181273ba90b1", "checkout@v7")
    wrong = careless.replace("needs: first", "needs: frist").replace("- run: make", "- rum: make")
    _written(tmp_path, wrong)
    found = {one.code: one for one in check(tmp_path).findings}
    assert found["GV565"].level is Level.WARNING
    assert found["GV561"].level is Level.ERROR
    assert found["GV560"].position.line == 12


PIPELINE = """\
stages: [one, two]
first:
  stage: one
  timeout: 5 minutes
  script: [make]
second:
  stage: two
  needs: [first]
  timeout: 5 minutes
  before_script: [cd web]
  script: [make]
"""


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("needs: [first]", "needs: [frist]", "GV561", 8),
        ("needs: [first]", "needs: [{job: second}]", "GV561", 8),
        ("stage: two", "stage: three", "GV561", 7),
        ("  timeout: 5 minutes\n  script", "  script", "GV566", 3),
        ("script: [make]", "skript: [make]", "GV560", 3),
    ],
)
def test_the_mistakes_of_a_pipeline_of_gitlab_are_found_where_they_stand(
    tmp_path: Path, old: str, new: str, code: str, line: int
) -> None:
    file = tmp_path / ".gitlab-ci.yml"
    file.write_text(PIPELINE)
    assert check(tmp_path).findings == ()
    assert old in PIPELINE
    file.write_text(PIPELINE.replace(old, new, 1))
    found = [(one.code, one.position.line) for one in check(tmp_path).findings]
    assert found == [(code, line)]


def test_what_is_no_job_of_the_file_is_not_waited_for(tmp_path: Path) -> None:
    others = "{job: x, pipeline: up}, {job: y, project: a/b}, {job: z, optional: true}"
    more = f"needs: [first, {others}]"
    (tmp_path / ".gitlab-ci.yml").write_text(PIPELINE.replace("needs: [first]", more))
    assert [one for one in check(tmp_path).findings if one.code == "GV561"] == []
