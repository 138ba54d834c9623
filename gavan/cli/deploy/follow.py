"""What a runner tells, as steps of the verb, and how it ended as a result.

Stands under deploy and rollback.
"""

from __future__ import annotations

import time
from typing import Any

from gavan.cli.context import Context
from gavan.cli.render import Result
from gavan.deploy import runner
from gavan.deploy.outside import Asker
from gavan.deploy.ssh import Ssh
from gavan.kit.errors import GavanError

_EXITS = {"rolled_back": 8, "locked": 4, "failed": 1}
_HINTS = {
    "GV543": "gavan hosts check",
    "GV544": "at a quiet hour: gavan deploy --restart-data",
}
_STATES = ("start", "tick", "ok", "warn", "fail", "skip")


def followed(
    context: Context, ssh: Ssh, release: str, number: int, asker: Asker | None = None
) -> Result:
    """Show the events of a release until it ends; ``asker`` is there when it wants to be asked.

    Raises:
        GavanError: with the code of the runner; exit 8 when the former release serves, 4 when
            another one is under way.
    """
    switched_s = None
    for event in runner.follow(ssh, release, number):
        if event["step"] == "end":
            return _ended(ssh, release, event, switched_s)
        if (event["step"], event["state"]) == ("switch", "ok"):
            switched_s = time.monotonic() - context.began
        if event["state"] == "ask" and asker is not None:
            asker.answer(context.progress.report)
        if event["state"] in _STATES:
            context.progress.report(event["step"], event["state"], event["detail"])
    raise ssh.unreachable("its runner told no end")


def _ended(ssh: Ssh, release: str, event: dict[str, Any], switched_s: float | None) -> Result:
    state, data = event["state"], event["data"]
    if state == "ok":
        took = {"switch_ms": data.get("switch_ms"), "switched_s": switched_s}
        return Result(data={"release": release, "host": ssh.host.name, "result": "ok", **took},
                      text=f"{release} serves on {ssh.host.name}{_how_long(**took)}")  # fmt: skip
    if state == "lost":
        raise GavanError("GV549", f"the runner of {release} is gone before its end",
                         hint="gavan deploy --resume", exit_code=1)  # fmt: skip
    mends = {
        "rolled_back": "the former release serves; mend it and deploy again",
        "locked": "gavan deploy --wait-lock 15m",
        "failed": "mend it and deploy again",
    }
    error = GavanError(data["code"], data["message"], details=data["details"] or None,
                       hint=_HINTS.get(data["code"], mends.get(state)),
                       exit_code=_EXITS.get(state, 1))  # fmt: skip
    error.cause = data.get("cause")
    raise error


def _how_long(switch_ms: int | None, switched_s: float | None) -> str:
    """Return how long it took until and while the proxy was turned, as far as it was seen."""
    if switch_ms is None or switched_s is None:
        return ""
    return f": switched in {switch_ms} ms, {switched_s:.1f} s after the command"
