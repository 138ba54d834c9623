"""GitHub Actions: the workflows of a stack as files of .github/workflows.

Stands above gates.py, release.py and actions.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gavan.ci import actions, release
from gavan.ci.actions import uses
from gavan.ci.facts import TAURI, Facts, join
from gavan.ci.gates import build_steps, gates, packages
from gavan.ci.step import Gate, Origin, Step, Value
from gavan.engines.yaml_text import to_yaml

FOLDER = ".github/workflows"
Doc = dict[str, Any]

_READ = {"contents": "read"}
_SAME = "needs.*.result"
_PASSED = """\
case " $RESULTS " in
  *failure*|*cancelled*) echo "a gate did not pass: $RESULTS" >&2; exit 1 ;;
esac"""
_RELEASE = """\
gh release view "$TAG" >/dev/null 2>&1 ||
  gh release create "$TAG" --verify-tag --draft --title "$TAG"
files=()
while IFS= read -r -d '' file; do files+=("$file"); done < <(
  find {bundles} -type f \\( -name '*.dmg' -o -name '*.tar.gz' -o -name '*.sig' \\) -print0
)
gh release upload "$TAG" --clobber "${{files[@]}}"
"""


def workflows(facts: Facts) -> dict[str, str]:
    """Return the text of every workflow that the stack has something for, by its path."""
    wanted = facts.ci.workflows
    found: dict[str, str] = {}
    for name, (make, fits) in _WORKFLOWS.items():
        if name in wanted or (not wanted and fits(facts)):
            document = make(facts)
            if document["jobs"]:
                found[f"{FOLDER}/{name}.yml"] = actions.with_versions(to_yaml(document))
    return found


def _ci(facts: Facts) -> Doc:
    main = facts.ci.branch
    made = gates(facts)
    jobs = {gate.name: _gate(facts, gate) for gate in made}
    if jobs:
        env = {"RESULTS": f"${{{{ join({_SAME}, ' ') }}}}"}
        jobs["passed"] = {
            "name": "Every gate has passed",
            "needs": list(jobs),
            "if": "always()",
            "runs-on": facts.ci.runner,
            "timeout-minutes": 5,
            "steps": [{"name": "Results", "run": _PASSED, "env": env, "working-directory": "."}],
        }
    # On the branch of releases images.yml calls this one; it must not run there twice.
    push = {"branches-ignore": [main]} if facts.has_images else {"branches": ["**"]}
    return {
        **_head(facts, "ci", {"pull_request": {}, "push": push, "workflow_call": {}}),
        "concurrency": {
            "group": "ci-${{ github.ref }}",
            "cancel-in-progress": f"${{{{ github.ref != 'refs/heads/{main}' }}}}",
        },
        **({"env": dict(facts.ci.env)} if facts.ci.env else {}),
        "jobs": jobs,
    }


def _images(facts: Facts) -> Doc:
    steps = release.image_steps(facts, release.GITHUB_REGISTRY)
    upload = uses(actions.UPLOAD, name=release.SBOMS, path=release.SBOMS,
                  if_no_files_found="error")  # fmt: skip
    body = [*_tools(facts, gavan=True, whole=True), *_steps(facts, steps),
            {"name": "Keep that", **upload}]  # fmt: skip
    make = _job(facts, "Make and send", 60, body, needs="gates",
                permissions={**_READ, "packages": "write"})  # fmt: skip
    gate = {"name": "Gates", "uses": f"./{FOLDER}/ci.yml", "permissions": _READ}
    return {
        **_head(facts, "images", {"push": {"branches": [facts.ci.branch]}}),
        "concurrency": {"group": "images", "cancel-in-progress": False},
        "jobs": {"gates": gate, "images": make},
    }


def _deploy(facts: Facts) -> Doc:
    steps = [release.check_tag(release.IMAGE_TAG), release.files_of_tag()]
    rest = release.deploy_steps(facts, release.GITHUB_REGISTRY)
    meaning = "Tag of the images: sha-1a2b3c4, v1.2.3 or main-latest"
    return _by_hand(facts, "deploy-prod", {"image_tag": meaning}, (steps, rest))


def _rollback(facts: Facts) -> Doc:
    steps = [release.check_tag(release.PREVIOUS_TAG)]
    rest = release.rollback_steps(facts)
    meaning = "Tag of the release to serve again"
    return _by_hand(facts, "rollback-prod", {"previous_tag": meaning}, (steps, rest))


def _by_hand(
    facts: Facts,
    name: str,
    inputs: Mapping[str, str],
    steps: tuple[Iterable[Step], Iterable[Step]],
) -> Doc:
    """Return a workflow that a person starts and another one approves."""
    asked = {key: {"description": text, "required": True, "type": "string"}
             for key, text in inputs.items()}  # fmt: skip
    before, after = steps
    checkout, *tools = _tools(facts, gavan=True, whole=True)
    body = [checkout, *_steps(facts, before), *tools, *_steps(facts, after)]
    job = _job(facts, "Production", 60, body, environment="production",
               permissions={**_READ, "packages": "read"})  # fmt: skip
    job = {"if": f"github.ref == 'refs/heads/{facts.ci.branch}'", **job}
    return {
        **_head(facts, name, {"workflow_dispatch": {"inputs": asked}}),
        # One at a time, and never broken off: the next one waits.
        "concurrency": {"group": "production", "cancel-in-progress": False},
        "jobs": {"production": job},
    }


def _migrate(facts: Facts) -> Doc:
    folder = facts.place(facts.stack.database.migrations.dir)
    when = {"push": {"branches": [facts.ci.branch], "paths": [join(folder, "**")]},
            "workflow_dispatch": {}}  # fmt: skip
    steps = [*_tools(facts, gavan=True), *_steps(facts, release.migrate_steps(facts))]
    return {
        **_head(facts, "db-migrate", when),
        "concurrency": {"group": "database", "cancel-in-progress": False},
        "jobs": {"migrate": _job(facts, "Migrate the development database", 30, steps)},
    }


def _refresh(facts: Facts) -> Doc:
    steps = [*_tools(facts, gavan=True), *_steps(facts, release.refresh_steps(facts))]
    return {
        **_head(facts, "metrics-refresh", {"schedule": [{"cron": "*/15 * * * *"}],
                                           "workflow_dispatch": {}}),
        "concurrency": {"group": "metrics-refresh", "cancel-in-progress": False},
        "jobs": {"refresh": _job(facts, "Run the SQL jobs", 15, steps)},
    }  # fmt: skip


def _backup(facts: Facts) -> Doc:
    steps = [*_tools(facts, gavan=True), *_steps(facts, release.backup_steps(facts))]
    return {
        **_head(facts, "backup-check", {"schedule": [{"cron": "23 6 * * *"}],
                                        "workflow_dispatch": {}}),
        "concurrency": {"group": "backup-check", "cancel-in-progress": False},
        "jobs": {"backups": _job(facts, "Backups are there", 15, steps)},
    }  # fmt: skip


def _web(facts: Facts) -> Doc:
    jobs = {}
    for part, name in facts.builds.items():
        steps = [*packages(facts, (part,)), *build_steps((part,))]
        path = join(part.at, part.output)
        upload = uses(actions.UPLOAD, name=name, path=path, if_no_files_found="error",
                      retention_days=7)  # fmt: skip
        body = [*_tools(facts, node=True), *_steps(facts, steps), {"name": "Keep it", **upload}]
        jobs[part.name] = _job(facts, f"Build {part.name}", 20, body)
    paths = [join(part.at, "**") for part in facts.builds]
    return {
        **_head(facts, "web-ci", {"push": {"branches": ["**"], "paths": paths}}),
        "concurrency": {"group": "web-ci-${{ github.ref }}", "cancel-in-progress": True},
        "jobs": jobs,
    }  # fmt: skip


def _tauri(facts: Facts) -> Doc:
    jobs = {}
    for part in facts.tauri_parts:
        bundles = join(part.at, TAURI, "target", "release", "bundle")
        steps = [
            *_tools(facts, node=True),
            *_steps(facts, packages(facts, (part,))),
            {"name": "Build and sign", "run": "npx tauri build", "working-directory": part.at,
             "env": {"TAURI_SIGNING_PRIVATE_KEY": "${{ secrets.TAURI_PRIVATE_KEY }}",
                     "TAURI_SIGNING_PRIVATE_KEY_PASSWORD": "${{ secrets.TAURI_KEY_PASSWORD }}"}},
            {"name": "Draft release", "if": "github.ref_type == 'tag'",
             "run": _RELEASE.format(bundles=bundles).rstrip(), "working-directory": ".",
             "env": {"GH_TOKEN": "${{ github.token }}", "TAG": "${{ github.ref_name }}"}},
        ]  # fmt: skip
        job = _job(facts, f"Build {part.name}", 60, steps, runs_on="macos-15",
                   permissions={"contents": "write"})  # fmt: skip
        jobs[part.name] = job
    return {
        **_head(facts, "tauri-ci", {"push": {"tags": ["v*"]}, "workflow_dispatch": {}}),
        "concurrency": {"group": "tauri-ci-${{ github.ref }}", "cancel-in-progress": False},
        "jobs": jobs,
    }


def _head(facts: Facts, name: str, when: Mapping[str, Any]) -> Doc:
    return {
        "name": name,
        "on": dict(when),
        "permissions": _READ,
        "defaults": {"run": {"shell": "bash", "working-directory": facts.at or "."}},
    }


def _gate(facts: Facts, gate: Gate) -> Doc:
    tools = _tools(facts, gavan=gate.gavan, node=gate.node, python=gate.python)
    return _job(facts, gate.title, gate.minutes, [*tools, *_steps(facts, gate.steps)])


def _job(facts: Facts, title: str, minutes: int, steps: list[Doc], **more: object) -> Doc:
    """Return a job; ``more`` are further keys of it, ``_`` for their hyphens."""
    keys = {name.replace("_", "-"): value for name, value in more.items()}
    head = {"name": title, "runs-on": facts.ci.runner, "timeout-minutes": minutes}
    return {**head, **keys, "steps": steps}


def _tools(
    facts: Facts,
    *,
    gavan: bool = False,
    node: bool = False,
    python: bool = False,
    whole: bool = False,
) -> list[Doc]:
    """Return the steps that fetch the repository and the tools; ``whole`` with its history."""
    depth = {"fetch_depth": 0} if whole else {}
    # A token left in .git/config could be read by every later step.
    steps = [{"name": "Fetch the files",
              **uses(actions.CHECKOUT, persist_credentials=False, **depth)}]  # fmt: skip
    if gavan or python:
        steps.append(_python(facts, python=python))
    if node:
        steps += _node(facts)
    if gavan:
        steps.append({"name": "Install gavan", "run": facts.ci.install})
    return steps


def _python(facts: Facts, *, python: bool) -> Doc:
    files = facts.caches(node=False) if python else []
    cache = {"cache": "pip", "cache_dependency_path": "\n".join(files)} if files else {}
    return {"name": "Python", **uses(actions.PYTHON, python_version=facts.ci.python, **cache)}


def _node(facts: Facts) -> list[Doc]:
    files = facts.caches(node=True)
    managers = {part.manager for part in facts.node_parts if part.lock}
    # pnpm is installed after this step, which would look for it to find its cache.
    cache = {"cache": managers.pop(), "cache_dependency_path": "\n".join(files)} \
        if managers in ({"npm"}, {"yarn"}) else {"package_manager_cache": False}  # fmt: skip
    return [{"name": "Node", **uses(actions.NODE, node_version=facts.ci.node, **cache)}]


def _steps(facts: Facts, steps: Iterable[Step]) -> list[Doc]:
    return [_step(facts, step) for step in steps]


def _step(facts: Facts, step: Step) -> Doc:
    at = {} if step.at is None or step.at == facts.at else {"working-directory": step.at or "."}
    env = {name: _value(value) for name, value in step.env.items()}
    return {
        "name": step.name,
        **({"if": "always()"} if step.always else {}),
        **at,
        **({"env": env} if env else {}),
        "run": step.run,
    }


def _value(value: str | Value) -> str:
    if isinstance(value, str):
        return value
    words = {
        Origin.SECRET: f"secrets.{value.name}",
        Origin.INPUT: f"inputs.{value.name.lower()}",
        Origin.PLACE: f"vars.{value.name}",
        Origin.ACTOR: "github.actor",
        Origin.TOKEN: "secrets.GHCR_PAT || secrets.GITHUB_TOKEN",
    }
    return f"${{{{ {words[value.origin]} }}}}"


_WORKFLOWS: dict[str, tuple[Callable[[Facts], Doc], Callable[[Facts], bool]]] = {
    "ci": (_ci, lambda _: True),
    "images": (_images, lambda facts: facts.has_images),
    "deploy-prod": (_deploy, lambda facts: facts.has_hosts),
    "rollback-prod": (_rollback, lambda facts: facts.has_hosts),
    "db-migrate": (_migrate, lambda facts: facts.is_elsewhere and facts.has_migrations),
    "web-ci": (_web, lambda facts: bool(facts.builds)),
    "tauri-ci": (_tauri, lambda facts: bool(facts.tauri_parts)),
    "backup-check": (_backup, lambda facts: facts.stack.backup.offsite is not None),
    "metrics-refresh": (_refresh, lambda facts: facts.is_elsewhere and facts.has_sql_jobs),
}
