"""How to reach the database of a stack, and the steps that bring it up to date.

Stands on the bootstrap, the migrations and the seeds; the command line and the engine's migrate
job walk through here.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass

from psycopg.conninfo import conninfo_to_dict

from gavan.database.bootstrap import bootstrap
from gavan.database.embedded import ADMIN, Passwords, loopback_url, passwords_by_role
from gavan.database.forecast.gate import lint_gate
from gavan.database.migration.apply import migrate
from gavan.database.migration.run import Options, Report
from gavan.database.migration.seed import seed
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from gavan.stack.model import Stack

OWNER = "postgres"
DEV = "dev"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """URLs of one database; ``admin`` is None for a database that is not ours to set up."""

    owner: Secret
    admin: Secret | None
    passwords: Mapping[str, Secret]
    port: int
    database: str

    @property
    def elsewhere(self) -> str:
        """The host of a database that is not on this machine; empty for one that is."""
        facts = conninfo_to_dict(self.owner.reveal())
        hosts = f"{facts.get('host') or ''},{facts.get('hostaddr') or ''}".split(",")
        return next((host for host in hosts if not _is_here(host)), "")

    def url(self, role: str) -> Secret:
        """Return the URL of ``role``; raise GavanError GV317 when its password is not known."""
        if role == OWNER:
            return self.owner
        if role == ADMIN and self.admin is not None:
            return self.admin
        if self.admin is None or role not in self.passwords:
            known = ", ".join([OWNER, *sorted(self.passwords)] if self.admin else [OWNER])
            raise GavanError(
                "GV317",
                f"there is no password for the role {role!r}",
                hint=f"one of: {known}",
                exit_code=2,
            )
        return loopback_url(role, self.passwords[role], port=self.port, database=self.database)


@dataclass(frozen=True, slots=True, kw_only=True)
class BroughtUp:
    """What was applied now; all empty when the database was up to date."""

    system: list[str]
    migrations: list[str]
    seeds: list[str]


def access(stack: Stack, keys: Passwords, environ: Mapping[str, str] = os.environ) -> Access:
    """Return how to reach the database of ``stack``.

    ``GAVAN_DB_URL`` and ``GAVAN_DB_ADMIN_URL`` win (the engine sets them for its job), then the
    stack file's external URL, then the embedded server.
    """
    port, name = stack.database.port, stack.database.name
    passwords = passwords_by_role(keys)
    external = stack.database.external_url
    owner = loopback_url(OWNER, passwords[OWNER], port=port, database=name)
    admin: Secret | None = loopback_url(ADMIN, passwords[ADMIN], port=port, database=name)
    if external is not None:
        owner, admin = external, None
    if environ.get("GAVAN_DB_URL"):
        owner = Secret(environ["GAVAN_DB_URL"])
    if environ.get("GAVAN_DB_ADMIN_URL"):
        admin = Secret(environ["GAVAN_DB_ADMIN_URL"])
    return Access(owner=owner, admin=admin, passwords=passwords, port=port, database=name)


def _is_here(host: str) -> bool:
    """Tell whether a host of a URL is this machine: a socket, or an address of loopback."""
    if not host or host.startswith("/") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def options(stack: Stack, *, include_all: bool = False, wait_s: float, report: Report) -> Options:
    """Return the options of the runner from [database.migrations], with the lint in front."""
    section = stack.database.migrations
    return Options(
        lock_timeout=section.lock_timeout,
        statement_timeout=section.statement_timeout,
        retries=section.retries,
        order="include-all" if include_all else section.order,
        wait_s=wait_s,
        report=report,
        gate=lint_gate(stack, report),
    )


def bring_up(stack: Stack, reach: Access, how: Options) -> BroughtUp:
    """Apply system schemas, migrations and the seeds of the profile, in this order."""
    system: list[str] = []
    if reach.admin is not None:
        how.report("system schemas", "start", "")
        system = bootstrap(reach.admin, reach.passwords)
        how.report("system schemas", "ok", f"{len(system)} applied" if system else "up to date")
    migrations = migrate(reach.owner, stack.database.migrations.dir, how)
    seeds = []
    if stack.profile.name in stack.database.seed.profiles:
        mock = stack.profile.name == DEV and not reach.elsewhere
        seeds = run_seeds(stack, reach, report=how.report, mock=mock)
    return BroughtUp(system=system, migrations=migrations, seeds=seeds)


def run_seeds(
    stack: Stack, reach: Access, *, report: Report, mock: bool, again: bool = False
) -> list[str]:
    """Run the seeds of the stack file; ``mock`` data only ever in the profile dev, and here."""
    section = stack.database.seed
    if mock and (stack.profile.name != DEV or reach.elsewhere):
        place = f"a database at {reach.elsewhere}" if reach.elsewhere else stack.profile.name
        raise GavanError(
            "GV316",
            f"mock data is for the profile {DEV} on this machine, not for {place}",
            hint=f"gavan -p {DEV} seed --mock",
            exit_code=6,
        )
    files = [*section.files, *(section.mock if mock else ())]
    return seed(reach.owner, files, root=stack.root, again=again, report=report) if files else []
