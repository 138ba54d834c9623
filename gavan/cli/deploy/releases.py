"""`gavan releases` and `gavan rollback`: what served, and back to it without a build."""

from __future__ import annotations

from typing import Any

import click

from gavan.cli.context import Context
from gavan.cli.deploy.common import deployed, host_of
from gavan.cli.deploy.contract import send_again
from gavan.cli.deploy.follow import followed
from gavan.cli.deploy.hooked import with_hooks
from gavan.cli.deploy.lock import lock, unlock
from gavan.cli.deploy.option import host_option
from gavan.cli.deploy.schema import refused, taken_away, way_down
from gavan.cli.flags import Duration
from gavan.cli.render import Result, Style, table
from gavan.cli.verb import VerbGroup, verb
from gavan.deploy import runner
from gavan.deploy.onhost import history
from gavan.deploy.outside import Asker
from gavan.deploy.plan import again
from gavan.kit.errors import GavanError

releases = VerbGroup(
    "releases", help="Show and prove the log of releases.",
    examples=["gavan releases list", "gavan releases verify"],
)  # fmt: skip
HEADERS = ("release", "action", "result", "by", "ended", "reason")
releases.add_command(lock)
releases.add_command(unlock)


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
    seen = runner.look(host_of(context, name))
    lines = history.parse(seen["log"].splitlines())
    wrong = history.broken(lines, seen["live"].get("release", ""))
    return Result(data={"lines": len(lines), "broken": wrong},
                  text=wrong or f"{len(lines)} lines, each follows the one before",
                  exit_code=5 if wrong else 0)  # fmt: skip


@verb("rollback", examples=["gavan rollback", "gavan rollback sha-1a2b3c4",
                            "gavan rollback --down"])  # fmt: skip
@click.argument("wanted", metavar="[TAG]", required=False)
@click.option("--down", is_flag=True,
              help="Take back the migrations that the old code cannot live with.")  # fmt: skip
@click.option("--past-migrations", is_flag=True,
              help="The old code can live with the schema as it is now.")  # fmt: skip
@click.option("--skip-backup", default="", metavar="REASON",
              help="No backup before --down, and why.")  # fmt: skip
@click.option("--wait-lock", type=Duration(), default=0.0, metavar="TIME",
              help="Wait this long for another release to end.")  # fmt: skip
@host_option
def rollback(context: Context, wanted: str | None, **flags: Any) -> Result:
    """Serve a former release again, from the images that the server kept."""
    deployed(context)
    ssh = host_of(context, flags["name"])
    seen = runner.look(ssh)
    target = _target(seen, wanted)
    plan = again(target, seen, "rollback")
    gone = taken_away(seen, target)
    if gone and not flags["past_migrations"]:
        way = way_down(ssh, seen, gone[0])
        if not flags["down"]:
            raise refused(target, gone, way, seen)
        if way.wrong:
            raise way.wrong
        context.progress.message(way.shown)
        context.confirm_loss("Take them back?")
        plan |= {"down_to": way.to, "taken_back": gone, "skip_backup": flags["skip_backup"]}
    elif context.stack.profile.protected:
        context.confirm(f"Roll {ssh.host.name} back to {target['tag']}?")
    with with_hooks(context, ssh, plan):
        send_again(ssh, plan, target["id"])
        runner.begin(ssh, plan["id"], flags["wait_lock"])
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
