"""What stands in front of `migrate up`: the lint, the room on the disk, the role that runs it.

Stands on the forecast, with the lock held and before the first file is applied. Where data are
real, an error of the lint stops it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gavan.database.forecast.look import judge
from gavan.database.forecast.room import require_room
from gavan.database.forecast.sizes import read_sizes
from gavan.database.lint.of_stack import rules_of, sources_of
from gavan.database.migration.history import Connection
from gavan.database.migration.parsed import Parsed
from gavan.database.migration.ready import is_superuser
from gavan.database.migration.run import Gate, Report
from gavan.stack.findings import Level, StackErrors
from gavan.stack.model import Stack

FINDINGS_EXIT = 5
LOOPBACK = "127.0.0.1"
"""Where the embedded server listens"""


def lint_gate(stack: Stack, report: Report) -> Gate:
    """Return the gate of ``stack``.

    It raises StackErrors with all findings and exit code 5 when one is an error and the profile is
    protected, and GavanError GV348 when the disk has no room.
    """

    def check(connection: Connection, plan: Sequence[Parsed]) -> None:
        sizes = read_sizes(connection)
        data = _data_of(stack, connection)
        if data is not None:
            require_room(data, plan, sizes)
        if stack.profile.protected and is_superuser(connection):
            user = connection.info.user
            report("role", "warn", f"{user} is a superuser: nothing is refused to a migration")
        findings = judge(sizes, plan, sources_of(stack), rules_of(stack))
        if stack.profile.protected and any(one.level is Level.ERROR for one in findings):
            report("lint", "fail", f"nothing was applied: {stack.profile.name} is protected")
            stopped = StackErrors(findings)
            stopped.exit_code = FINDINGS_EXIT
            raise stopped
        for one in findings:
            report("lint", "warn", f"{one.where} {one.code} {one.message}")

    return check


def _data_of(stack: Stack, connection: Connection) -> Path | None:
    """Return where the data of a connection are; None where they are not the embedded server's."""
    data = stack.state_dir / "data"
    info = connection.info
    is_ours = info.hostaddr == LOOPBACK and info.port == stack.database.port
    return data if is_ours and data.is_dir() else None
