"""`gavan releases` and `gavan rollback`: what served, and back to it without a build."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import click

from gavan.cli.context import Context
from gavan.cli.deploy.common import deployed, host_of
from gavan.cli.deploy.follow import followed
from gavan.cli.deploy.hooked import with_hooks
from gavan.cli.deploy.option import host_option
from gavan.cli.flags import Duration
from gavan.cli.render import Result, Style, table
from gavan.cli.verb import VerbGroup, verb
from gavan.deploy import runner
from gavan.deploy.onhost import history
from gavan.deploy.outside import Asker
from gavan.deploy.plan import ci, who
from gavan.kit.errors import GavanError

releases = VerbGroup(
    "releases", help="Show and prove the log of releases.",
    examples=["gavan releases list", "gavan releases verify"],
)  # fmt: skip
HEADERS = ("release", "action", "result", "by", "ended", "reason")
FILES = ("compose.stack.yml", "caddy/Caddyfile", "release.env")


@releases.verb("list", examples=["gavan releases list"])
@host_option
def listing(context: Context, name: str | None) -> Result:
    """Show the releases of the server, the last one below."""
    deployed(context)
    seen = runner.look(host_of(context, name))
    lines = history.parse(seen["log"].splitlines())
    live = seen["live"].get("release")

    def text(style: Style) -> str:
        rows = [(f"{line['id']}{' *' if line['id'] == live else ''}", line["action"],
                 line["result"], line["by"], line["ended"], line["reason"])
                for line in lines]  # fmt: skip
        return table(HEADERS, rows, style) if rows else "nothing was deployed yet"

    return Result(data={"live": live, "unfinished": seen["unfinished"], "lock": seen["lock"],
                        "releases": lines}, text=text)  # fmt: skip


@releases.verb("verify", examples=["gavan releases verify"])
@host_option
def verify(context: Context, name: str | None) -> Result:
    """Prove that no line of the log was changed or taken out."""
    deployed(context)
    lines = history.parse(runner.look(host_of(context, name))["log"].splitlines())
    wrong = history.broken(lines)
    return Result(data={"lines": len(lines), "broken": wrong},
                  text=wrong or f"{len(lines)} lines, each follows the one before",
                  exit_code=5 if wrong else 0)  # fmt: skip


@verb("rollback", examples=["gavan rollback", "gavan rollback sha-1a2b3c4"])
@click.argument("wanted", metavar="[TAG]", required=False)
@click.option("--past-migrations", is_flag=True,
              help="The old code can live with the schema as it is now.")  # fmt: skip
@click.option("--wait-lock", type=Duration(), default=0.0, metavar="TIME",
              help="Wait this long for another release to end.")  # fmt: skip
@host_option
def rollback(
    context: Context, wanted: str | None, past_migrations: bool, wait_lock: float, name: str | None
) -> Result:
    """Serve a former release again, from the images that the server kept."""
    deployed(context)
    ssh = host_of(context, name)
    seen = runner.look(ssh)
    target = _target(seen, wanted)
    moved = _moved(seen, target)
    if moved and not past_migrations:
        raise GavanError(
            "GV538",
            f"the schema has moved past {target['tag']}: {', '.join(moved)}",
            details="its code does not know these migrations",
            hint="take them back (gavan migrate down), or say that it can live with them: "
            "--past-migrations",
            exit_code=5,
        )
    if context.stack.profile.protected:
        context.confirm(f"Roll {ssh.host.name} back to {target['tag']}?")
    plan = _plan(target, seen)
    folder = f"{ssh.host.path}/releases/{target['id']}"
    files = {file: ssh.run("cat", f"{folder}/{file}") for file in FILES}
    with with_hooks(context, ssh, plan):
        runner.upload(ssh, plan["id"], files | {"plan.json": json.dumps(plan, indent=1)})
        runner.begin(ssh, plan["id"], wait_lock)
        return followed(context, ssh, plan["id"], 0, Asker(ssh=ssh, plan=plan))


def _target(seen: dict[str, Any], wanted: str | None) -> dict[str, Any]:
    """Return the plan of the release that is wanted, the one before the present one by default."""
    live = seen["live"].get("release")
    now = seen["plans"].get(live, {})
    lines = history.good(history.parse(seen["log"].splitlines()))
    kept = [seen["plans"][line["id"]] for line in reversed(lines) if seen["plans"].get(line["id"])]
    for plan in kept:
        fits = plan["id"] != live and plan["tag"] != now.get("tag")
        if (plan["id"] == wanted or plan["tag"] == wanted) if wanted else fits:
            return dict(plan)
    tags = list(dict.fromkeys(plan["tag"] for plan in kept))
    raise GavanError(
        "GV539", f"the server keeps no release {wanted}" if wanted else "there is none before it",
        details=f"it keeps: {', '.join(tags) or 'none'}", hint="gavan releases list", exit_code=3,
    )  # fmt: skip


def _moved(seen: dict[str, Any], target: dict[str, Any]) -> list[str]:
    """Return the migrations that any release since brought, and the target has not."""
    lines = history.parse(seen["log"].splitlines())
    moving = [line for line in lines if any(step["id"] == "migrate" for step in line["steps"])]
    ran = {name for line in moving for name in line["migrations"] if line["action"] == "deploy"}
    return sorted(ran - set(target["migrations"]))


def _plan(target: dict[str, Any], seen: dict[str, Any]) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        **target,
        "id": f"{now:%Y%m%dT%H%M%SZ}-{target['tag']}",
        "action": "rollback",
        "by": who(),
        "ci": ci(),
        "started": now.isoformat(timespec="seconds"),
        "live_release": seen["live"].get("release", ""),
        "restart_data": False,
    }
