"""What a release is: the files it brings, its images by their content, what is asked of it after.

Stands above runner.py. Made here, carried out there; a person reads it before it begins.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gavan.database.migration.files import Phase, read_migrations
from gavan.deploy import questions
from gavan.deploy.questions import is_public
from gavan.engines.compose import caddy, document, env_file, official
from gavan.engines.compose.addresses import is_slotted, slotted
from gavan.engines.compose.jobs import has_clock, has_wal, migrate_words
from gavan.engines.compose.limits import memory_of
from gavan.engines.compose.outside import BROKER, BUCKETS, S3, has_broker, has_s3
from gavan.engines.compose.project import CADDY, COMPOSE_FILE, Project, image_variables
from gavan.engines.images.build import Built
from gavan.stack.model import AppKind, Stack

ID_LENGTH = 12
DATA_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image of the release; ``digest`` is the registry's, empty for one that was sent."""

    part: str
    reference: str
    id: str
    digest: str

    def name(self, stack: Stack) -> str:
        """What it is called on the host: after its content, so that the same is the same."""
        short = self.id.removeprefix("sha256:")[:ID_LENGTH]
        return f"{stack.name}-{self.part}:{short}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be deployed, and how it stands on the host (``live`` as runner.look has it)."""

    project: Project
    tag: str
    commit: str
    images: Sequence[Image]
    live: Mapping[str, Any]
    restart_data: bool = False
    skip_backup: str = ""
    skip_outside: str = ""


def compile_plan(wish: Wish) -> dict[str, Any]:
    """Return the plan that the runner carries out."""
    stack = wish.project.plan.stack
    now = datetime.now(UTC)
    on_the_way = questions.on_the_way(stack)
    parts = {part.name: {"port": part.port} for part in slotted(stack)}
    files = read_migrations(stack.database.migrations.dir)
    texts = configuration_of(wish)
    names = sorted(env_file.asked_of_people(texts[COMPOSE_FILE]))
    return {
        "v": 1,
        "id": f"{now:%Y%m%dT%H%M%SZ}-{wish.tag}",
        "action": "deploy",
        "stack": stack.name,
        "profile": stack.profile.name,
        "project": wish.project.name,
        "tag": wish.tag,
        "commit": wish.commit,
        "dirty": wish.tag.endswith("-dirty"),
        "by": who(),
        "ci": ci(),
        "started": now.isoformat(timespec="seconds"),
        "live_release": wish.live.get("release", ""),
        "images": [
            {"part": one.part, "name": one.name(stack), "id": one.id, "digest": one.digest,
             "reference": one.reference}
            for one in wish.images
        ],
        "parts": parts,
        "singles": list(_singles(stack)),
        "data": list(_data(stack)),
        "migrate": migrate_words(stack),
        "overlap": stack.deploy.overlap,
        "jobs": [BUCKETS] if has_s3(stack) else [],
        "folders": list(document.DATA),
        "restart_data": wish.restart_data,
        "skip_backup": wish.skip_backup,
        "data_timeout": DATA_TIMEOUT_S,
        "health_timeout": stack.deploy.health_timeout,
        "drain": stack.deploy.drain,
        "reload": caddy.reload_words(),
        "retain": stack.deploy.retain,
        "migrations": [file.path.name for file in files],
        "contract": [file.path.name for file in files if file.phase is Phase.CONTRACT],
        "config_hash": _digest(texts),
        "services": {name: _digest({name: text}) for name, text in
                     document.services_of(wish.project.plan).items()},
        "routes": _digest(caddy.files(stack)),
        "env_names": names,
        "env_names_hash": _digest({"names": "\n".join(names)}),
        "memory": sum(memory_of(stack).values()),
        "smoke": on_the_way,
        "inside": questions.inside(stack),
        "outside": [] if wish.skip_outside else questions.without_keys(on_the_way),
        "skip_outside": wish.skip_outside,
        "public": is_public(stack),
        "roots": stack.proxy.acme_ca_root if is_public(stack) else "",
        "notify": bool(stack.notify),
    }  # fmt: skip


def again(former: Mapping[str, Any], seen: Mapping[str, Any], action: str) -> dict[str, Any]:
    """Return the plan of a former release, to be carried out once more as ``action``."""
    now = datetime.now(UTC)
    mark = "-contract" if action == "migrate" else ""
    return {
        **former,
        "id": f"{now:%Y%m%dT%H%M%SZ}-{former['tag']}{mark}",
        "action": action,
        "by": who(),
        "ci": ci(),
        "started": now.isoformat(timespec="seconds"),
        "live_release": seen["live"].get("release", ""),
        "restart_data": False,
        "skip_backup": "",
        "down_to": "",
        "taken_back": [],
    }


def files_of(wish: Wish) -> dict[str, str]:
    """Return the texts of a release by their paths in its folder; none has a secret in it."""
    stack = wish.project.plan.stack
    place = {
        "COMPOSE_PROJECT_NAME": wish.project.name,
        "DATA_DIR": _root(wish),
        "SLOTS_DIR": f"{_root(wish)}/slots",
        "GAVAN_RELEASE": wish.tag,
    }
    built = [
        Built(part=one.part, references=(one.name(stack),), id=one.id, bytes=0)
        for one in wish.images
    ]
    values = {**place, **image_variables(wish.project.plan, built)}
    return {**configuration_of(wish), "release.env": env_file.render(values)}


def configuration_of(wish: Wish) -> dict[str, str]:
    """Return what says how the release runs, the same bytes on every machine."""
    return {
        COMPOSE_FILE: document.render(wish.project.plan),
        **{f"{CADDY}/{name}": text for name, text in caddy.files(wish.project.plan.stack).items()},
    }


def _digest(texts: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()


def _root(wish: Wish) -> str:
    return str(wish.live["root"])


def _data(stack: Stack) -> Iterator[str]:
    """Yield what holds data, and is left alone by releases that do not change it."""
    if stack.database.external_url is None:
        yield "postgres"
    if stack.core.is_official:
        # Migrations speak of what they make.
        yield from official.names(stack)
    if has_s3(stack):
        yield S3
    if has_broker(stack):
        yield BROKER


def _singles(stack: Stack) -> Iterator[str]:
    """Yield what has no second slot: workers, and what runs the jobs of [cron]."""
    for app in stack.apps:
        if not is_slotted(app) and app.kind is not AppKind.JOB:
            yield app.name
    if has_clock(stack):
        yield "cron"
    if has_wal(stack):
        yield "wal"


def who() -> str:
    """Return who deploys, and where from."""
    env = os.environ
    if actor := env.get("GITHUB_ACTOR") or env.get("GITLAB_USER_LOGIN"):
        return actor
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # In a container a process may run as a number that has no name.
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def ci() -> dict[str, str]:
    """Return the run of a pipeline that this is, empty at a desk."""
    env = os.environ
    if run := env.get("GITHUB_RUN_ID"):
        where = f"{env.get('GITHUB_SERVER_URL', '')}/{env.get('GITHUB_REPOSITORY', '')}"
        return {"run": run, "url": f"{where}/actions/runs/{run}"}
    run = env.get("CI_PIPELINE_ID", "")
    return {"run": run, "url": env.get("CI_PIPELINE_URL", "")} if run else {}
