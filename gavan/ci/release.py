"""The steps of pipelines beside the gates: images, deploy, rollback, database, backups.

Stands above facts.py and step.py; the providers put them into jobs of their own.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from gavan.ci.facts import Facts
from gavan.ci.step import Origin, Step, Value, secret
from gavan.engines.images.revision import MAIN_LATEST

DATABASE_URL = "SUPABASE_DB_URL"
GITHUB_REGISTRY, GITLAB_REGISTRY = "ghcr.io", "registry.gitlab.com"
IMAGE_TAG, PREVIOUS_TAG = "IMAGE_TAG", "PREVIOUS_TAG"
TAGS = rf"^(sha-[0-9a-f]{{7,12}}|{MAIN_LATEST}|v[0-9]+\.[0-9]+\.[0-9]+)$"
"""What the input of a release may be"""
PROFILE = "prod"

SBOMS = "image-sboms"
"""The folder, and the artifact, of what the images are made of"""
_SBOMS = "~/.gavan-ci/sboms"
_AGENT = "SSH_AUTH_SOCK=~/.gavan-ci/agent"
_KEY_IN = """\
umask 077
mkdir -p ~/.gavan-ci
printf '%s\\n' "$SSH_KEY" > ~/.gavan-ci/key
ssh-agent -s -a ~/.gavan-ci/agent > ~/.gavan-ci/agent.env
SSH_AUTH_SOCK=~/.gavan-ci/agent ssh-add -q ~/.gavan-ci/key"""
_KEY_OUT = """\
agent=$(sed -n 's/^SSH_AGENT_PID=\\([0-9]*\\);.*/\\1/p' ~/.gavan-ci/agent.env 2>/dev/null || true)
if [ -n "$agent" ]; then SSH_AGENT_PID=$agent ssh-agent -k; fi
rm -rf ~/.gavan-ci"""
_LOGIN = """\
printf '%s' "$REGISTRY_PASSWORD" |
  docker login "$REGISTRY" --username "$REGISTRY_USER" --password-stdin"""
_FILES_OF = """\
case "$IMAGE_TAG" in
  sha-*) git checkout --quiet --detach "${IMAGE_TAG#sha-}" ;;
  v*) git checkout --quiet --detach "$IMAGE_TAG" ;;
esac"""


def image_steps(facts: Facts, own: str) -> tuple[Step, ...]:
    """Return the steps that make and send the images; ``own`` is the provider's registry."""
    env = place_variables(facts, "sites")
    return (
        _login(facts, own),
        Step(name="Build the images", run=f"gavan build -p {PROFILE} --sbom {_SBOMS}", env=env),
        Step(name="Send the images", run=f"gavan push -p {PROFILE}", env=env),
        # Not before: a file that git does not know would give the images another name.
        Step(name="What they are made of", run=f"mv {_SBOMS} {SBOMS}", at=""),
        _logout(facts),
    )


def deploy_steps(facts: Facts, own: str) -> tuple[Step, ...]:
    """Return the steps of a release of the tag in IMAGE_TAG."""
    outside = _outside(facts)
    tag = {IMAGE_TAG: Value(origin=Origin.INPUT, name=IMAGE_TAG)}
    deploy = f'{_AGENT} gavan deploy --tag "$IMAGE_TAG" -p {PROFILE}'
    return (
        _login(facts, own),
        _key(facts),
        Step(name="What it will do", run=f"{deploy} --plan", env={**tag, **outside}),
        Step(name="Deploy, smoke checks included", run=f"{deploy} --yes --wait-lock 15m",
             env={**tag, **outside}),
        _log(outside),
        _cleaned(),
        _logout(facts),
    )  # fmt: skip


def rollback_steps(facts: Facts) -> tuple[Step, ...]:
    """Return the steps that serve the release of PREVIOUS_TAG again; no registry is asked."""
    outside = _outside(facts)
    tag = {PREVIOUS_TAG: Value(origin=Origin.INPUT, name=PREVIOUS_TAG)}
    run = f'{_AGENT} gavan rollback "$PREVIOUS_TAG" -p {PROFILE} --yes --wait-lock 15m'
    return (
        _key(facts),
        Step(name="Roll back, smoke checks included", run=run, env={**tag, **outside}),
        _log(outside),
        _cleaned(),
    )


def check_tag(variable: str) -> Step:
    """Return the step that refuses an input which is no tag of a release."""
    run = f"""\
pattern='{TAGS}'
if ! [[ "${variable}" =~ $pattern ]]; then
  echo "not a tag of a release: sha-1a2b3c4, {MAIN_LATEST} or v1.2.3" >&2
  exit 2
fi"""
    value = Value(origin=Origin.INPUT, name=variable)
    return Step(name="The tag is one of a release", run=run, env={variable: value}, at="")


def files_of_tag() -> Step:
    """Return the step that takes the files of the commit that the images are made of."""
    value = Value(origin=Origin.INPUT, name=IMAGE_TAG)
    return Step(name="Files of that commit", run=_FILES_OF, env={IMAGE_TAG: value}, at="")


def migrate_steps(facts: Facts) -> tuple[Step, ...]:
    """Return the steps that bring a database elsewhere up to date."""
    env = database()
    # The disk of a runner is gone with the job: a backup is one at the second place.
    backup = Step(name="Backup", run="gavan backup run", env={**env, **_offsite(facts)})
    return (
        Step(name="What is pending", run="gavan migrate plan", env=env),
        *([backup] if facts.stack.backup.offsite else []),
        Step(name="Apply", run="gavan migrate up", env=env),
        Step(name="Nothing is left", run="gavan migrate status --exit-code", env=env),
    )


def refresh_steps(facts: Facts) -> Iterator[Step]:
    """Yield one step for every SQL job of [cron]."""
    for cron in facts.stack.cron:
        if cron.sql:
            yield Step(name=f"Run {cron.name}", run=f"gavan db query {shlex.quote(cron.sql)}",
                       env=database())  # fmt: skip


def backup_steps(facts: Facts) -> tuple[Step, ...]:
    """Return the steps that look at the backups of the second place."""
    run = "gavan backup list --offsite"
    return (Step(name="Backups of the second place", run=run, env=_offsite(facts)),)


def _offsite(facts: Facts) -> dict[str, str | Value]:
    return {name: secret(name) for name in facts.variables("backup", "offsite")}


def host_variables(facts: Facts) -> list[str]:
    """Return the variables that [deploy.hosts] is written with; they come from secrets."""
    return facts.variables("deploy", "hosts")


def place_variables(facts: Facts, *sections: str) -> dict[str, str | Value]:
    """Return what differs between places and is no secret, with what these sections read."""
    places = (("profiles", PROFILE), ("deploy",), *((section,) for section in sections))
    names = {name for path in places for name in facts.variables(*path)}
    return {name: Value(origin=Origin.PLACE, name=name)
            for name in sorted(names - set(host_variables(facts)))}  # fmt: skip


def _outside(facts: Facts) -> dict[str, str | Value]:
    hosts = {name: secret(name) for name in host_variables(facts)}
    return {**place_variables(facts), **hosts}


def database() -> dict[str, str | Value]:
    """Return the environment that makes every verb work on the database of the secret."""
    return {
        "GAVAN_SET": f"database.external_url=secret://{DATABASE_URL}",
        DATABASE_URL: secret(DATABASE_URL),
    }


def _is_own(facts: Facts, own: str) -> bool:
    return facts.stack.deploy.registry.partition("/")[0] == own


def _login(facts: Facts, own: str) -> Step:
    is_own = _is_own(facts, own)
    user = Value(origin=Origin.ACTOR) if is_own else secret("REGISTRY_USER")
    password = Value(origin=Origin.TOKEN) if is_own else secret("REGISTRY_PASSWORD")
    env: dict[str, str | Value] = {"REGISTRY": _host(facts), "REGISTRY_USER": user,
                                   "REGISTRY_PASSWORD": password}  # fmt: skip
    return Step(name="Log in to the registry", run=_LOGIN, env=env)


def _logout(facts: Facts) -> Step:
    return Step(name="Log out of the registry", run='docker logout "$REGISTRY"', always=True,
                env={"REGISTRY": _host(facts)})  # fmt: skip


def _host(facts: Facts) -> str:
    return facts.stack.deploy.registry.partition("/")[0]


def _key(facts: Facts) -> Step:
    return Step(name="Key of the server", run=_KEY_IN, env={"SSH_KEY": secret(facts.ci.ssh_key)})


def _log(outside: dict[str, str | Value]) -> Step:
    run = f"if [ -S ~/.gavan-ci/agent ]; then {_AGENT} gavan releases list -p {PROFILE}; fi"
    return Step(name="Log of releases", run=run, env=outside, always=True)


def _cleaned() -> Step:
    return Step(name="Remove the key", run=_KEY_OUT, always=True, at="")
