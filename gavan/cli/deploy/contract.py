"""`gavan deploy --contract`: what no code needs any more is taken out of the schema.

Stands under `gavan deploy`. A deploy only adds to the schema, since the former release serves
meanwhile and may be gone back to; what takes away is a step of its own, and closes that way.
"""

from __future__ import annotations

import json
from typing import Any

from gavan.cli.context import Context
from gavan.cli.deploy.follow import followed
from gavan.cli.render import Result
from gavan.deploy import runner
from gavan.deploy.plan import again
from gavan.deploy.ssh import Ssh
from gavan.kit.errors import GavanError

FILES = ("compose.stack.yml", "caddy/Caddyfile", "release.env")


def contracted(context: Context, ssh: Ssh, seen: dict[str, Any], flags: dict[str, Any]) -> Result:
    """Apply the pending migrations of phase contract by the release that serves; asks first.

    Raises:
        GavanError: GV537 when nothing serves yet.
    """
    live = seen["live"].get("release")
    if not live:
        raise GavanError("GV537", "nothing serves on this server yet", hint="gavan deploy",
                         exit_code=3)  # fmt: skip
    shown = runner.job(ssh, live, "gavan", "migrate", "plan", "--phase", "contract")
    if shown.returncode != 0:
        raise GavanError("GV546", "the migrations cannot be planned", details=shown.stderr.strip(),
                         exit_code=shown.returncode)  # fmt: skip
    if flags["only_plan"]:
        return Result(data={"plan": shown.stdout}, text=shown.stdout)
    context.progress.message(shown.stdout)
    context.confirm_loss("Apply them? Older releases cannot be gone back to after that.")
    plan = again(seen["plans"][live], seen, "migrate")
    plan["skip_backup"] = flags["skip_backup"]
    send_again(ssh, plan, live)
    runner.begin(ssh, plan["id"], flags["wait_lock"])
    return followed(context, ssh, plan["id"], 0)


def send_again(ssh: Ssh, plan: dict[str, Any], former: str) -> None:
    """Lay a plan out with the files of a former release."""
    folder = f"{ssh.host.path}/releases/{former}"
    files = {file: ssh.run("cat", f"{folder}/{file}") for file in FILES}
    runner.upload(ssh, plan["id"], files | {"plan.json": json.dumps(plan, indent=1)})
