"""The services that run verbs of gavan: migrations before the others start, jobs by the clock.

Stands beside services.py. They run in the image of the stack, whose folder has what a person's has:
the stack file, a state folder, backups.
"""

from __future__ import annotations

import os
from pathlib import Path

from gavan.database.container import HOME
from gavan.engines.compose import official
from gavan.engines.compose.rules import Service, closed, limits
from gavan.engines.compose.services import Plan, given, postgres_variables, release
from gavan.engines.compose.values import DATABASE_HOST, PASSWORDS, optional, required
from gavan.engines.embedded.cronfile import encode_jobs
from gavan.engines.embedded.own_jobs import own_jobs
from gavan.engines.images.runtime import STACK_DIR
from gavan.stack.example import variables
from gavan.stack.load import WITHOUT
from gavan.stack.model import Container, Stack
from gavan.stack.plan import cron_entries

STATE = f"{STACK_DIR}/.gavan"
_MEBIBYTE = 2**20
MIGRATE_LIMITS = Container(memory=256 * _MEBIBYTE, cpus=0.5)
WAL_LIMITS = Container(memory=192 * _MEBIBYTE, cpus=0.2)
_NOT_THERE = ("ci", "deploy")
"""Tables that are read where people and pipelines are, never on the server"""
RECOVER = "recover"
"""The service, and the compose profile, of a recovery to a moment"""
_CLOCK = Container(memory=192 * _MEBIBYTE, cpus=0.2)
_CLOCK_WITH_BACKUPS = Container(memory=512 * _MEBIBYTE, cpus=0.5)


def has_clock(stack: Stack) -> bool:
    """Say whether anything runs by the clock."""
    return bool(cron_entries(stack)) or stack.backup.schedule is not None


def clock_limits(stack: Stack) -> Container:
    """Return the limits of what runs by the clock; a drill has a Postgres and a core of its own."""
    return _CLOCK if stack.backup.schedule is None else _CLOCK_WITH_BACKUPS


def migrate_words(stack: Stack) -> list[str]:
    """Return the words of the job: the schemas of the core are gavan's to make, or its images'."""
    return ["gavan", "migrate", "up", *([] if stack.core.is_official else ["--bootstrap"])]


def migrate(plan: Plan) -> Service:
    """Return the job that brings the database up to date; it ends."""
    after = {} if plan.stack.database.external_url else {
        DATABASE_HOST: {"condition": "service_healthy"}
    }  # fmt: skip
    # What migrations speak of is made by the services themselves.
    after |= official.ready(plan.stack) if plan.stack.core.is_official else {}
    return {
        "image": required("STACK_IMAGE"),
        "command": migrate_words(plan.stack),
        "environment": {**_stack_variables(plan), **_urls(plan), **release()},
        "volumes": _volumes(plan.stack),
        **closed(),
        "restart": "no",
        **limits(MIGRATE_LIMITS),
        "networks": ["data"],
        "depends_on": after,
    }


def notify(plan: Plan) -> Service:
    """Return what tells people the news; the runner of a release begins it, nobody else."""
    return {
        "image": required("STACK_IMAGE"),
        "command": ["gavan", "notify", "test"],
        "environment": _stack_variables(plan),
        "volumes": [f"state-data:{STATE}"],
        **closed(),
        "restart": "no",
        **limits(_CLOCK),
        "networks": ["app"],
        "profiles": ["notify"],
    }


def cron(plan: Plan) -> Service:
    """Return what runs the jobs of [cron], backups and drills."""
    stack = plan.stack
    jobs = [*cron_entries(stack), *own_jobs(stack, ("gavan", "-q"))]
    return {
        "image": required("STACK_IMAGE"),
        "command": ["python", "-m", "gavan.engines.embedded.cron"],
        "environment": {
            **_stack_variables(plan),
            **_urls(plan),
            **given(plan),
            "GAVAN_CRON": encode_jobs(jobs),
            "GAVAN_CRON_DB_URL": plan.around.urls.url("postgres").reveal(),
            "GAVAN_CRON_STATE": f"{STATE}/cron.json",
        },
        "volumes": _volumes(stack),
        **closed(),
        **limits(clock_limits(stack)),
        "networks": ["app", "data"],
        "depends_on": {"migrate": {"condition": "service_completed_successfully"}},
    }


def _stack_variables(plan: Plan) -> dict[str, str]:
    """Return what a process needs to read the stack file: the variables it speaks of, and keys."""
    spoken_of = {name: optional(name) for name in variables(plan.source, _NOT_THERE)}
    one = plan.stack.core.is_official
    passwords = {name: required("POSTGRES_PASSWORD" if one else name) for name in PASSWORDS}
    keys = {name: required(name) for name in ("JWT_SECRET", "ANON_KEY", "SERVICE_ROLE_KEY")}
    place = {"GAVAN_PROFILE": required("GAVAN_PROFILE"), WITHOUT: " ".join(_NOT_THERE)}
    return {**spoken_of, **passwords, **keys, **place}


def _urls(plan: Plan) -> dict[str, str]:
    urls = plan.around.urls
    return {
        "GAVAN_DB_URL": urls.url("postgres").reveal(),
        "GAVAN_DB_ADMIN_URL": urls.url("supabase_admin").reveal(),
    }


def _volumes(stack: Stack) -> list[str]:
    """Return the folders of the stack that outlive a container."""
    return [
        f"state-data:{STATE}",
        f"storage-data:{STATE}/storage",
        f"backups:{backups_folder(stack)}",
    ]


def backups_folder(stack: Stack) -> Path:
    """Return where the folder of backups is in a container."""
    return Path(STACK_DIR) / os.path.relpath(stack.backup.dir, stack.root)


def has_wal(stack: Stack) -> bool:
    """Say whether the write-ahead log is received: of a Postgres of gavan's own."""
    database = stack.database
    is_ours = database.external_url is None and database.container.image is None
    return stack.backup.pitr.enabled and is_ours and not stack.core.is_official


def wal(plan: Plan) -> Service:
    """Return what receives the write-ahead log and files it beside the backups."""
    return {
        **_on_the_stack(plan),
        "command": ["gavan", "backup", "wal"],
        **closed(),
        **limits(WAL_LIMITS),
        "networks": ["app", "data"],
        "stop_grace_period": "20s",
        "depends_on": {"migrate": {"condition": "service_completed_successfully"}},
    }


def recover(plan: Plan) -> Service:
    """Return where the server is recovered to a moment, beside its data; run by a person."""
    made = _on_the_stack(plan)
    return {
        **made,
        "command": ["gavan", "backup", "restore", "--help"],
        "environment": {**made["environment"], **postgres_variables(plan.stack)},
        "volumes": [*made["volumes"], f"postgres-data:{HOME}"],
        **closed(),
        "restart": "no",
        **limits(plan.stack.database.container),
        "networks": ["app", "data"],
        "profiles": [RECOVER],
    }


def _on_the_stack(plan: Plan) -> Service:
    return {
        "image": required("STACK_IMAGE"),
        "environment": {**_stack_variables(plan), **_urls(plan)},
        "volumes": _volumes(plan.stack),
    }
