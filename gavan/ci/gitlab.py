"""GitLab CI: the same gates and releases as one .gitlab-ci.yml.

Stands beside github.py. Secrets are CI/CD variables there, masked and protected, so that they are
in the environment of every job of a protected branch; inputs of a release are variables of the
pipeline that a person starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gavan.ci import release
from gavan.ci.facts import Facts, join
from gavan.ci.gates import build_steps, gates, packages
from gavan.ci.step import Gate, Origin, Step, Value
from gavan.engines.yaml_text import to_yaml

FILE = ".gitlab-ci.yml"
Doc = dict[str, Any]

_CLIENT = "openssh-client git"
_DOCKER = {"DOCKER_HOST": "tcp://docker:2376", "DOCKER_TLS_CERTDIR": "/certs",
           "DOCKER_CERT_PATH": "/certs/client", "DOCKER_TLS_VERIFY": "1"}  # fmt: skip
_RULES = [
    {"if": "$CI_PIPELINE_SOURCE =~ /^(schedule|web|api)$/"},
    {"if": "$CI_PIPELINE_SOURCE == 'merge_request_event'"},
    {"if": "$CI_COMMIT_BRANCH && $CI_OPEN_MERGE_REQUESTS", "when": "never"},
    {"if": "$CI_COMMIT_BRANCH"},
]
# A pipeline that a person starts for a release, or a clock for a job, has nothing else to do.
_ASIDE = [
    {"if": f"${release.IMAGE_TAG} || ${release.PREVIOUS_TAG}", "when": "never"},
    {"if": "$CI_PIPELINE_SOURCE == 'schedule'", "when": "never"},
]
STAGES = ("gates", "images", "database", "schedules", "production")
SCHEDULE = "SCHEDULE"
"""The variable of a schedule that says which job it is for"""


def pipeline(facts: Facts) -> dict[str, str]:
    """Return the text of the pipeline by its path."""
    wanted = facts.ci.workflows
    jobs: Doc = {}
    for name, (make, fits) in _JOBS.items():
        if name in wanted or (not wanted and fits(facts)):
            jobs |= make(facts)
    stages = [stage for stage in STAGES if any(job["stage"] == stage for job in jobs.values())]
    default = {"image": f"python:{facts.ci.python}", "interruptible": True}
    document = {"stages": stages, "workflow": {"rules": _RULES}, "default": default, **jobs}
    return {FILE: to_yaml(document)}


def _gates(facts: Facts) -> Doc:
    return {gate.name: _gate(facts, gate) for gate in gates(facts)}


def _gate(facts: Facts, gate: Gate) -> Doc:
    before = _node(facts) if gate.node else []
    after = [step for step in gate.steps if step.always]
    cleaned = {"after_script": _script(facts, after)} if after else {}
    return {
        "stage": "gates",
        "timeout": f"{gate.minutes} minutes",
        "rules": [*_ASIDE, {"when": "on_success"}],
        **({"variables": dict(facts.ci.env)} if facts.ci.env else {}),
        "before_script": [*before, *([_in(facts, facts.ci.install)] if gate.gavan else [])],
        "script": _script(facts, [step for step in gate.steps if not step.always]),
        **cleaned,
    }


def _node(facts: Facts) -> list[str]:
    return ["apt-get update -qq", "apt-get install -y -qq --no-install-recommends npm",
            f"npm install --global n && n {facts.ci.node}"]  # fmt: skip


def _images(facts: Facts) -> Doc:
    steps = release.image_steps(facts, release.GITLAB_REGISTRY)
    return {
        "stage": "images",
        "timeout": "60 minutes",
        "services": ["docker:28-dind"],
        "variables": {**_DOCKER, "GIT_DEPTH": "0", **_variables(steps)},
        "rules": [*_ASIDE, {"if": f"$CI_COMMIT_BRANCH == '{facts.ci.branch}'"}],
        "interruptible": False,
        "resource_group": "images",
        "before_script": [
            *_packages("docker-cli docker-buildx"),
            # The runner checks out a commit; main-latest is for the branch itself.
            'git checkout --quiet -B "$CI_COMMIT_BRANCH"',
            _in(facts, facts.ci.install),
        ],
        **_halves(facts, steps),
        "artifacts": {"name": release.SBOMS, "paths": [release.SBOMS], "expire_in": "90 days"},
    }


def _deploy(facts: Facts) -> Doc:
    steps = [release.check_tag(release.IMAGE_TAG), release.files_of_tag(),
             *release.deploy_steps(facts, release.GITLAB_REGISTRY)]  # fmt: skip
    return _by_hand(facts, release.IMAGE_TAG, steps)


def _rollback(facts: Facts) -> Doc:
    steps = [release.check_tag(release.PREVIOUS_TAG), *release.rollback_steps(facts)]
    return _by_hand(facts, release.PREVIOUS_TAG, steps)


def _by_hand(facts: Facts, variable: str, steps: list[Step]) -> Doc:
    """Return a job that a person starts with a tag in ``variable``."""
    on_branch = f"$CI_COMMIT_BRANCH == '{facts.ci.branch}' && ${variable}"
    return {
        "stage": "production",
        "timeout": "60 minutes",
        "variables": {"GIT_DEPTH": "0", **_variables(steps)},
        "rules": [{"if": on_branch, "when": "manual"}],
        "environment": {"name": "production"},
        "interruptible": False,
        "resource_group": "production",
        "before_script": [*_packages(f"docker-cli {_CLIENT}"), _in(facts, facts.ci.install)],
        **_halves(facts, steps),
    }


def _web(facts: Facts) -> Doc:
    """Return a job for every site that is built: when it changed, its build is kept for a week."""
    jobs = {}
    for part, name in facts.builds.items():
        steps = [*packages(facts, (part,)), *build_steps((part,))]
        jobs[f"web-ci:{part.name}"] = {
            "stage": "gates",
            "timeout": "20 minutes",
            "rules": [*_ASIDE, {"changes": [join(part.at, "**", "*")]}],
            "before_script": _node(facts),
            "script": _script(facts, steps),
            "artifacts": {"name": name, "paths": [join(part.at, part.output)],
                          "expire_in": "7 days"},
        }  # fmt: skip
    return jobs


def _migrate(facts: Facts) -> Doc:
    changed = join(facts.place(facts.stack.database.migrations.dir), "**", "*")
    on_branch = {"if": f"$CI_COMMIT_BRANCH == '{facts.ci.branch}'", "changes": [changed]}
    job = _of_database(facts, "database", 30, release.migrate_steps(facts))
    return {**job, "rules": [*_ASIDE, on_branch], "resource_group": "database"}


def _scheduled(name: str, facts: Facts, steps: Iterable[Step]) -> Doc:
    """Return a job for the schedule whose variable SCHEDULE is its name."""
    mine = f"$CI_PIPELINE_SOURCE == 'schedule' && ${SCHEDULE} == '{name}'"
    job = _of_database(facts, "schedules", 15, steps)
    return {name: {**job, "rules": [{"if": mine}], "resource_group": name}}


def _of_database(facts: Facts, stage: str, minutes: int, steps: Iterable[Step]) -> Doc:
    listed = list(steps)
    return {
        "stage": stage,
        "timeout": f"{minutes} minutes",
        **({"variables": found} if (found := _variables(listed)) else {}),
        "interruptible": False,
        "before_script": [_in(facts, facts.ci.install)],
        "script": _script(facts, listed),
    }


def _packages(names: str) -> list[str]:
    return ["apt-get update -qq", f"apt-get install -y -qq --no-install-recommends {names}"]


def _halves(facts: Facts, steps: Iterable[Step]) -> Doc:
    """Return the script and what cleans up after it, whether it failed or not."""
    listed = list(steps)
    return {
        "script": _script(facts, [step for step in listed if not step.always]),
        "after_script": _script(facts, [step for step in listed if step.always]),
    }


def _variables(steps: Iterable[Step]) -> dict[str, str]:
    """Return the variables that have another name there; the others are in the environment."""
    values = {name: value for step in steps for name, value in step.env.items()}
    return {name: _value(value) for name, value in values.items()
            if isinstance(value, str) or _value(value) != f"${name}"}  # fmt: skip


def _value(value: str | Value) -> str:
    if isinstance(value, str):
        return value
    words = {
        Origin.SECRET: value.name,
        Origin.INPUT: value.name,
        Origin.PLACE: value.name,
        Origin.ACTOR: "CI_REGISTRY_USER",
        Origin.TOKEN: "CI_REGISTRY_PASSWORD",
    }
    return f"${words[value.origin]}"


def _script(facts: Facts, steps: Iterable[Step]) -> list[str]:
    return [_in(facts, step.run, step.at) for step in steps]


def _in(facts: Facts, run: str, at: str | None = None) -> str:
    """Return the command in its folder; in brackets, so that the next one starts at the root."""
    folder = facts.at if at is None else at
    if not folder:
        return run
    return f"(cd {folder}\n{run}\n)" if "\n" in run else f"(cd {folder} && {run})"


_JOBS: dict[str, tuple[Callable[[Facts], Doc], Callable[[Facts], bool]]] = {
    "ci": (_gates, lambda _: True),
    "web-ci": (_web, lambda facts: bool(facts.builds)),
    "images": (lambda facts: {"images": _images(facts)}, lambda facts: facts.has_images),
    "db-migrate": (lambda facts: {"db-migrate": _migrate(facts)},
                   lambda facts: facts.is_elsewhere and facts.has_migrations),
    "metrics-refresh": (
        lambda facts: _scheduled("metrics-refresh", facts, release.refresh_steps(facts)),
        lambda facts: facts.is_elsewhere and facts.has_sql_jobs,
    ),
    "backup-check": (
        lambda facts: _scheduled("backup-check", facts, release.backup_steps(facts)),
        lambda facts: facts.stack.backup.offsite is not None,
    ),
    "deploy-prod": (lambda facts: {"deploy-prod": _deploy(facts)}, lambda facts: facts.has_hosts),
    "rollback-prod": (lambda facts: {"rollback-prod": _rollback(facts)},
                      lambda facts: facts.has_hosts),
}  # fmt: skip
