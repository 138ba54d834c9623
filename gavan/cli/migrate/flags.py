"""What several verbs of `gavan migrate` take and answer: their flags, their exit code.

Stands under the files of the verbs.
"""

from __future__ import annotations

from dataclasses import replace

import click

from gavan.cli.context import Context
from gavan.cli.database import reporter
from gavan.cli.flags import Duration
from gavan.database.access import options
from gavan.database.migration.files import Phase
from gavan.database.migration.run import Options
from gavan.kit.errors import GavanError
from gavan.stack.model import Stack

FINDINGS_EXIT = 5
WAIT = click.option("--wait", "wait_s", type=Duration(), default=60.0, help="For the lock (60s).")
TO = click.option("--to", metavar="VERSION", help="Only up to VERSION.")
PHASE = click.option(
    "--phase",
    type=click.Choice([phase.value for phase in Phase]),
    help="Only files of this phase, as far as no other comes before them.",
)


KILL_BLOCKERS = click.option(
    "--kill-blockers",
    is_flag=True,
    help="End the sessions that kept a file from its locks before it is tried again.",
)


def chosen_options(
    context: Context,
    stack: Stack,
    include_all: bool,
    to: str | None,
    phase: str | None,
    wait_s: float = 0.0,
) -> Options:
    how = options(stack, include_all=include_all, wait_s=wait_s, report=reporter(context))
    return replace(how, to=to, phase=Phase(phase) if phase else None)


def one_of(count: int | None, to: str | None) -> int:
    """Return how many to take back; one when nothing is said."""
    if count is not None and to is not None:
        raise GavanError(
            "GV329",
            "a number and a version at once do not say how far to go back",
            hint="gavan migrate down 3, or: gavan migrate down --to VERSION",
            exit_code=2,
        )
    return count or 1
