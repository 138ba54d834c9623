"""`gavan deploy`: a release on its way to a server, and what became of it."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import click

from gavan.cli.build import named
from gavan.cli.context import Context
from gavan.cli.deploy.common import deployed, host_of, wanted_names
from gavan.cli.deploy.contract import contracted
from gavan.cli.deploy.difference import changes
from gavan.cli.deploy.follow import followed
from gavan.cli.deploy.hooked import with_hooks
from gavan.cli.deploy.option import host_option
from gavan.cli.flags import Duration
from gavan.cli.render import Result
from gavan.cli.verb import verb
from gavan.deploy import hosts, images, runner
from gavan.deploy.images import Pulled
from gavan.deploy.onhost.smoke import shown as asked_for
from gavan.deploy.outside import Asker, check_names
from gavan.deploy.plan import Wish, compile_plan, files_of
from gavan.deploy.questions import commands, is_public, on_the_way
from gavan.deploy.ssh import Ssh
from gavan.engines.compose.limits import check_memory
from gavan.engines.compose.project import Project
from gavan.engines.images.build import Order
from gavan.kit.errors import GavanError

WAIT_LOCK_S = 0.0
POLL_S = 2.0
FINDINGS_EXIT = 5


@verb("deploy", examples=["gavan deploy", "gavan deploy --plan", "gavan deploy --tag sha-1a2b3c4",
                          "gavan deploy --resume"])  # fmt: skip
@click.option("--tag", metavar="TAG", help="Images to deploy; default: those of the commit.")
@click.option("--plan", "only_plan", is_flag=True, help="Say what it would do, and end.")
@click.option("--exit-code", is_flag=True, help="With --plan: exit 5 when something would change.")
@click.option("--contract", is_flag=True,
              help="Apply the migrations of phase contract, by what serves now.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with a release that was broken off.")
@click.option("--restart-data", is_flag=True, help="The database may begin anew for this release.")
@click.option("--skip-backup", default="", metavar="REASON",
              help="No backup before migrations of real data, and why.")  # fmt: skip
@click.option("--skip-outside", default="", metavar="REASON",
              help="Do not ask the release through DNS and TLS from here, and why.")  # fmt: skip
@click.option("--wait-lock", type=Duration(), default=WAIT_LOCK_S, metavar="TIME",
              help="Wait this long for another release to end.")  # fmt: skip
@host_option
def command(context: Context, **flags: Any) -> Result:
    """Bring images to the server, start them beside the old ones, and turn to them when well."""
    project = deployed(context)
    ssh = host_of(context, flags["name"])
    seen = _ready(context, project, ssh)
    if flags["resume"]:
        return _resumed(context, ssh, seen, flags["wait_lock"])
    seen = _free(context, ssh, seen, flags["wait_lock"])
    if flags["contract"]:
        return contracted(context, ssh, seen, flags)
    revision, tags = named(context.stack, flags["tag"])
    order = Order(
        stack=context.stack, revision=revision, tags=tags[:1], report=context.progress.report
    )
    live = {**seen["live"], "root": ssh.host.path}
    found = _images(context, ssh, order)
    wish = Wish(project=project, tag=found.tag, commit=found.commit, images=found.images, live=live,
                restart_data=flags["restart_data"], skip_backup=flags["skip_backup"])  # fmt: skip
    wish = _way_out(ssh, context, wish, flags["skip_outside"])
    plan = compile_plan(wish)
    found_changes = changes(plan, seen)
    text = shown(plan, seen, found_changes)
    if flags["only_plan"]:
        code = FINDINGS_EXIT if flags["exit_code"] and found_changes else 0
        return Result(data={**plan, "changes": found_changes}, text=text, exit_code=code)
    context.progress.message(text)
    if context.stack.profile.protected:
        context.confirm(f"Deploy {plan['tag']} to {ssh.host.name}?")
    asker = Asker(ssh=ssh, plan=plan, commands=commands(context.stack), root=context.stack.root)
    with with_hooks(context, ssh, plan):
        if not context.stack.deploy.registry:
            images.send(ssh, context.stack, wish.images, context.progress.report)
        runner.upload(ssh, plan["id"], files_of(wish) | {"plan.json": json.dumps(plan, indent=1)})
        runner.begin(ssh, plan["id"], flags["wait_lock"])
        return followed(context, ssh, plan["id"], 0, asker)


def _way_out(ssh: Ssh, context: Context, wish: Wish, reason: str) -> Wish:
    """Return the wish, with why nobody asks from outside when nobody can; raises GV576."""
    stack = context.stack
    if reason:
        return replace(wish, skip_outside=reason)
    if not is_public(stack) and not ssh.address():
        return replace(wish, skip_outside="the server is reached through another one")
    if not wish.live.get("release"):
        check_names(stack, ssh, on_the_way(stack))
    return wish


def _ready(context: Context, project: Project, ssh: Ssh) -> dict[str, Any]:
    """Return what is on the host; raise GavanError GV535 for one that cannot take a release."""
    stack = context.stack
    check_memory(stack)
    facts = hosts.look(ssh, stack.profile.name)
    wanted = wanted_names(project)
    found = list(hosts.findings(facts, wanted, 0))
    if found:
        raise GavanError(
            "GV535", f"{ssh.host.name} is not ready for {stack.name}",
            details="\n".join(one.what for one in found), hint=found[0].mend, exit_code=3,
        )  # fmt: skip
    return runner.look(ssh)


def _free(context: Context, ssh: Ssh, seen: dict[str, Any], wait_s: float) -> dict[str, Any]:
    """Return what is on the host once no other release is under way there, or the time is over.

    A plan made before would be one for a server that is another by then.
    """
    until = time.monotonic() + wait_s
    while seen["lock"].get("alive") and time.monotonic() < until:
        context.progress.tick("lock", f"{seen['lock']['release']} is under way")
        time.sleep(POLL_S)
        seen = runner.look(ssh)
    return seen


def _images(context: Context, ssh: Ssh, order: Order) -> Pulled:
    """Return the images of the tag and the commit that they were made of."""
    tag, stack = order.tags[0], context.stack
    if tag.endswith("-dirty") and stack.profile.protected:
        raise GavanError(
            "GV536", "the files differ from their commit", exit_code=6,
            hint="commit them; what serves must be found again by its commit",
        )  # fmt: skip
    commit = order.revision.commit if order.revision else ""
    if not stack.deploy.registry:
        return Pulled(images=images.images_here(order), commit=commit, tag=tag)
    found = images.pull(ssh, order, context.progress.report)
    if found.commit and found.commit != commit:
        context.output.warn(f"{tag} was made of {found.commit[:12]}, the files that say how it "
                            f"runs are of {commit[:12]}")  # fmt: skip
    return found if found.commit else replace(found, commit=commit)


def shown(plan: dict[str, Any], seen: dict[str, Any], changed: list[str]) -> str:
    """Return a plan as people read it."""
    before = seen["plans"].get(seen["live"].get("release"), {})
    lines = [f"release {plan['id']}, in place of {before.get('id', 'nothing')}"]
    lines += [f"  {line}" for line in changed] or ["  nothing changes"]
    beside = plan["overlap"]
    meanwhile = "and the new slots meanwhile" if beside else "each part away while it starts"
    lines.append(f"memory: at most {plan['memory'] // 2**20} MiB, {meanwhile}")
    if before:
        lines.append(f"old slots may go on for {plan['drain']:g} s: a request or an upload that "
                     "takes longer is cut ([deploy] drain)")  # fmt: skip
    lines.append("asked after it: " + ", ".join(asked_for(q) for q in plan["smoke"]))
    if plan["skip_outside"]:
        lines.append(f"not from outside: {plan['skip_outside']}")
    back = f"gavan rollback {before['tag']}" if before else "none, it is the first"
    lines.append(f"way back: {back}")
    return "\n".join(lines)


def _resumed(context: Context, ssh: Ssh, seen: dict[str, Any], wait_lock: float) -> Result:
    """Go on with what was broken off; what still runs is only followed."""
    lock, number = seen["lock"], 0
    release = lock.get("release") if lock.get("alive") else None
    if release is None:
        if not seen["unfinished"]:
            raise GavanError("GV537", "no release was broken off", hint="gavan releases",
                             exit_code=3)  # fmt: skip
        release = seen["unfinished"][-1]
        number = runner.events_so_far(ssh, release)
        runner.begin(ssh, release, wait_lock)
    # Commands are run from the stack file here, from no file of a server: those are not asked.
    asker = Asker(ssh=ssh, plan=runner.plan_of(ssh, release))
    with with_hooks(context, ssh, asker.plan, begins=False):
        return followed(context, ssh, release, number, asker)
