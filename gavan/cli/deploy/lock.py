"""`gavan releases lock | unlock`: who holds the lock of the server, and an end to it.

Stands beside releases.py, whose group these verbs join.
"""

from __future__ import annotations

import time
from typing import Any

from gavan.cli.context import Context
from gavan.cli.deploy.common import deployed, host_of
from gavan.cli.deploy.option import host_option
from gavan.cli.render import Result
from gavan.cli.verb import verb
from gavan.deploy import runner
from gavan.deploy.onhost.lock import STALE_S
from gavan.kit.errors import GavanError


@verb("lock", examples=["gavan releases lock"])
@host_option
def lock(context: Context, name: str | None) -> Result:
    """Show who holds the lock of the server, and whether that run is still alive."""
    deployed(context)
    held = runner.look(host_of(context, name))["lock"]
    return Result(data=held or None, text=_shown(held))


@verb("unlock", examples=["gavan releases unlock", "gavan releases unlock --yes --confirm crm"])
@host_option
def unlock(context: Context, name: str | None) -> Result:
    """Show who holds the lock, ask, end that run and give the lock back.

    A lock whose run is gone needs none of this: `gavan deploy --resume` takes it at once, another
    release a minute later. What was ended is gone on with or taken back the same way.
    """
    deployed(context)
    ssh = host_of(context, name)
    held = runner.look(ssh)["lock"]
    if not held:
        return Result(data={"holder": None}, text=_shown(held))
    context.progress.message(_shown(held))
    if held["alive"]:
        context.confirm_loss("It is at work. End it?")
    else:
        context.confirm("Give the lock back?")
    wrong = runner.unlock(ssh, held.get("release", ""))
    if wrong:
        raise GavanError("GV540", wrong, hint="gavan releases lock", exit_code=4)
    return Result(data={"holder": held}, text="the lock is free; go on: gavan deploy --resume")


def _shown(held: dict[str, Any]) -> str:
    if not held:
        return "nobody holds the lock"
    age = time.time() - float(held.get("heartbeat") or 0)
    state = "at work" if held["alive"] else f"gone; free for others {STALE_S:g} s after that"
    return (f"{held.get('release')} by {held.get('by')}, process {held.get('pid')}: {state} "
            f"(seen {age:.0f} s ago)")  # fmt: skip
