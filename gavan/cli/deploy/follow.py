"""What a runner tells, as steps of the verb, and how it ended as a result.

Stands under deploy and rollback.
"""

from __future__ import annotations

from typing import Any

from gavan.cli.context import Context
from gavan.cli.render import Result
from gavan.deploy import runner
from gavan.deploy.ssh import Ssh
from gavan.kit.errors import GavanError

_EXITS = {"rolled_back": 8, "locked": 4, "failed": 1}
_HINTS = {
    "GV543": "gavan hosts check",
    "GV544": "at a quiet hour: gavan deploy --restart-data",
}
_STATES = ("start", "tick", "ok", "warn", "fail", "skip")


def followed(context: Context, ssh: Ssh, release: str, number: int) -> Result:
    """Show the events of a release until it ends.

    Raises:
        GavanError: with the code of the runner; exit 8 when the former release serves, 4 when
            another one is under way.
    """
    for event in runner.follow(ssh, release, number):
        if event["step"] == "end":
            return _ended(ssh, release, event)
        if event["state"] in _STATES:
            context.progress.report(event["step"], event["state"], event["detail"])
    raise ssh.unreachable("its runner told no end")


def _ended(ssh: Ssh, release: str, event: dict[str, Any]) -> Result:
    state, data = event["state"], event["data"]
    if state == "ok":
        return Result(data={"release": release, "host": ssh.host.name, "result": "ok"},
                      text=f"{release} serves on {ssh.host.name}")  # fmt: skip
    if state == "lost":
        raise GavanError("GV549", f"the runner of {release} is gone before its end",
                         hint="gavan deploy --resume", exit_code=1)  # fmt: skip
    mends = {
        "rolled_back": "the former release serves; mend it and deploy again",
        "locked": "gavan deploy --wait-lock 15m",
        "failed": "mend it and deploy again",
    }
    raise GavanError(data["code"], data["message"], details=data["details"] or None,
                     hint=_HINTS.get(data["code"], mends.get(state)),
                     exit_code=_EXITS.get(state, 1))  # fmt: skip
