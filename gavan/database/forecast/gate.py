"""The lint in front of `migrate up`: it tells what it finds; where data are real, errors stop it.

Stands on the lint, with the lock held and before the first file is applied.
"""

from __future__ import annotations

from collections.abc import Sequence

from gavan.database.forecast.look import judge
from gavan.database.lint.of_stack import rules_of, sources_of
from gavan.database.migration.history import Connection
from gavan.database.migration.parsed import Parsed
from gavan.database.migration.run import Gate, Report
from gavan.stack.findings import Level, StackErrors
from gavan.stack.model import Stack

FINDINGS_EXIT = 5


def lint_gate(stack: Stack, report: Report) -> Gate:
    """Return the gate of ``stack``.

    It raises StackErrors with all findings and exit code 5 when one is an error and the profile is
    protected.
    """

    def check(connection: Connection, plan: Sequence[Parsed]) -> None:
        findings = judge(connection, plan, sources_of(stack), rules_of(stack))
        if stack.profile.protected and any(one.level is Level.ERROR for one in findings):
            report("lint", "fail", f"nothing was applied: {stack.profile.name} is protected")
            stopped = StackErrors(findings)
            stopped.exit_code = FINDINGS_EXIT
            raise stopped
        for one in findings:
            report("lint", "warn", f"{one.where} {one.code} {one.message}")

    return check
