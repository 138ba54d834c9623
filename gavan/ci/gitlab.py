"""GitLab CI: the same gates and releases as one .gitlab-ci.yml.

Stands beside github.py. Secrets are CI/CD variables there, masked and protected, so that they are
in the environment of every job of a protected branch; inputs of a release are variables of the
pipeline that a person starts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gavan.ci import release
from gavan.ci.facts import Facts
from gavan.ci.gates import gates
from gavan.ci.step import Gate, Origin, Step, Value
from gavan.engines.yaml_text import to_yaml

FILE = ".gitlab-ci.yml"
Doc = dict[str, Any]

_CLIENT = "openssh-client git"
_DOCKER = {"DOCKER_HOST": "tcp://docker:2376", "DOCKER_TLS_CERTDIR": "/certs",
           "DOCKER_CERT_PATH": "/certs/client", "DOCKER_TLS_VERIFY": "1"}  # fmt: skip
_RULES = [
    {"if": "$CI_PIPELINE_SOURCE == 'merge_request_event'"},
    {"if": "$CI_COMMIT_BRANCH && $CI_OPEN_MERGE_REQUESTS", "when": "never"},
    {"if": "$CI_COMMIT_BRANCH"},
]
# A pipeline that a person starts for a release has nothing else to do.
_NO_RELEASE = {"if": f"${release.IMAGE_TAG} || ${release.PREVIOUS_TAG}", "when": "never"}


def pipeline(facts: Facts) -> dict[str, str]:
    """Return the text of the pipeline by its path."""
    wanted = facts.ci.workflows
    jobs: Doc = {}
    if not wanted or "ci" in wanted:
        jobs |= {gate.name: _gate(facts, gate) for gate in gates(facts)}
    has_images = bool(facts.stack.deploy.registry)
    if "images" in wanted or (not wanted and has_images):
        jobs["images"] = _images(facts)
    for name, job in (("deploy-prod", _deploy), ("rollback-prod", _rollback)):
        if name in wanted or (not wanted and has_images and facts.hosts):
            jobs[name] = job(facts)
    stages = [stage for stage in ("gates", "images", "production")
              if any(job["stage"] == stage for job in jobs.values())]  # fmt: skip
    default = {"image": f"python:{facts.ci.python}", "interruptible": True}
    document = {"stages": stages, "workflow": {"rules": _RULES}, "default": default, **jobs}
    return {FILE: to_yaml(document)}


def _gate(facts: Facts, gate: Gate) -> Doc:
    before = _node(facts) if gate.node else []
    after = [step for step in gate.steps if step.always]
    cleaned = {"after_script": _script(facts, after)} if after else {}
    return {
        "stage": "gates",
        "timeout": f"{gate.minutes} minutes",
        "rules": [_NO_RELEASE, {"when": "on_success"}],
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
        "rules": [_NO_RELEASE, {"if": f"$CI_COMMIT_BRANCH == '{facts.ci.branch}'"}],
        "interruptible": False,
        "resource_group": "images",
        "before_script": [
            *_packages("docker-cli docker-buildx"),
            # The runner checks out a commit; main-latest is for the branch itself.
            'git checkout --quiet -B "$CI_COMMIT_BRANCH"',
            _in(facts, facts.ci.install),
        ],
        **_halves(facts, steps),
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
