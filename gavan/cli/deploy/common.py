"""What the verbs of deploy share: the profile, the host, the project.

Stands under those verbs.
"""

from __future__ import annotations

from gavan.cli.compose.project import project_of
from gavan.cli.context import Context
from gavan.deploy.ssh import Ssh
from gavan.engines.compose import document, env_file
from gavan.engines.compose.project import Project
from gavan.kit.errors import GavanError
from gavan.stack.model import EngineName

PROFILE = "prod"


def deployed(context: Context) -> Project:
    """Return the stack as it runs on a server: under -p, else under prod; raises GV112."""
    context.flags.profile = context.flags.profile or PROFILE
    # A secret without a value here is no mistake: the server has it.
    context.loaded = context.load_but(lambda finding: finding.code == "GV150")
    if context.stack.profile.engine is not EngineName.COMPOSE:
        raise GavanError(
            "GV112", f"the profile {context.flags.profile} does not run on containers",
            hint="gavan deploy -p prod", exit_code=2,
        )  # fmt: skip
    return project_of(context)


def host_of(context: Context, name: str | None) -> Ssh:
    """Return the host of the stack, the named one when there are several; raises GV533."""
    hosts = {host.name: host for host in context.stack.deploy.hosts}
    chosen = name or (next(iter(hosts)) if len(hosts) == 1 else "")
    if chosen not in hosts:
        raise GavanError(
            "GV533",
            f"no host {name} in this stack" if name else "the stack has no single host",
            details=f"there are: {', '.join(hosts) or 'none'}",
            hint='[deploy.hosts.web] address = "203.0.113.7"' if not hosts else "--host NAME",
            exit_code=2,
        )
    return Ssh(host=hosts[chosen], state_dir=context.stack.state_dir / "hosts")


def wanted_names(project: Project) -> dict[str, bool]:
    """Return the variables of the env file on a host, and whether each must be there."""
    return env_file.asked_of_people(document.render(project.plan))
