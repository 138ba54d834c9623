"""`gavan backup restore --at TIME` of a profile on containers.

Stands under the verb restore. The data are recovered beside those of the running server, by the
service ``recover``; Postgres takes them when it begins anew, which is all that stops.
"""

from __future__ import annotations

import os
from pathlib import Path

from gavan.backups.road import parse_moment
from gavan.cli.compose.project import is_compose, project_of
from gavan.cli.context import Context
from gavan.cli.render import Result
from gavan.engines.compose.jobs import RECOVER, has_wal
from gavan.engines.compose.values import DATABASE_HOST
from gavan.kit.errors import GavanError

_KEY = "/run/identity"


def is_outside(context: Context) -> bool:
    """Say whether the stack runs on containers, and this is in none of them."""
    return is_compose(context) and "GAVAN_DB_URL" not in os.environ


def recover_in_containers(context: Context, text: str, identity: Path | None) -> Result:
    """Recover to a moment and begin Postgres anew with the result."""
    project = project_of(context)
    stack = project.plan.stack
    moment = parse_moment(text)
    if not has_wal(stack):
        raise GavanError(
            "GV450",
            "this stack keeps no log to go back by",
            hint="[backup.pitr] enabled = true, with gavan's own Postgres; or a dump: gavan exec "
            "cron -- gavan backup restore latest",
            exit_code=2,
        )
    context.confirm_loss(
        f"Replace all data of {stack.name} by those of {moment.isoformat()}? The present ones are "
        "kept beside."
    )
    mount = ["--volume", f"{identity.resolve()}:{_KEY}:ro"] if identity else []
    key = ["--identity", _KEY] if identity else []
    said: list[str] = []
    project.follow(
        ["--profile", RECOVER, "run", "--rm", "-T", "--no-deps", *mount, RECOVER, "gavan", "--yes",
         "--confirm", stack.name, "backup", "restore", "--at", moment.isoformat(), *key],
        said.append,
    )  # fmt: skip
    context.progress.start(DATABASE_HOST, "begins anew")
    project.run("restart", DATABASE_HOST)
    project.follow(["up", "--detach", "--no-deps", "--no-recreate", "--wait", DATABASE_HOST],
                   said.append)  # fmt: skip
    context.progress.ok(DATABASE_HOST, "healthy")
    return Result(
        data={"moment": moment.isoformat(), "said": said},
        text=f"{stack.name} is as it was at {moment.isoformat()}\nnext: gavan exec cron -- gavan "
        "backup run --kind physical",
    )
