"""What the verbs about the database share: the stack, how to reach it, a report of steps.

Stands between `migrate`, `seed`, `db` and the floors below.
"""

from __future__ import annotations

from dataclasses import replace

from gavan.cli.context import Context
from gavan.cli.ports import with_ports
from gavan.database.access import Access, access
from gavan.database.migration.run import Report
from gavan.engines.embedded.ports import recorded_ports
from gavan.secrets.passwords import load_passwords
from gavan.stack.model import Stack


def reach(context: Context) -> tuple[Stack, Access]:
    """Return the stack of this run and how to reach its database.

    A database that is not on this machine counts as protected, whatever the profile says.
    """
    # On the port it really has: `up --auto-ports` may have chosen another one.
    stack, _ = with_ports(context, context.stack, recorded_ports(context.stack.state_dir))
    reached = access(stack, load_passwords(stack))
    context.elsewhere = reached.elsewhere
    if reached.elsewhere:
        stack = replace(stack, profile=replace(stack.profile, protected=True))
    return stack, reached


def reporter(context: Context) -> Report:
    """Return a report that shows its steps as progress."""
    return context.progress.report
