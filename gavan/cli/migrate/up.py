"""`gavan migrate up`: apply what is pending; every start of a stack comes by here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from gavan.cli.backup.before import SKIP, BackupBefore
from gavan.cli.context import Context
from gavan.cli.database import reach
from gavan.cli.migrate.flags import KILL_BLOCKERS, PHASE, TO, WAIT, chosen_options
from gavan.cli.render import Result
from gavan.cli.verb import verb
from gavan.database.access import bring_up
from gavan.database.migration.apply import migrate, require_files


@verb(
    "up",
    examples=[
        "gavan migrate up",
        "gavan migrate up --to 020",
        "gavan migrate up --phase expand",
        "gavan migrate up --include-all --wait 5m",
        "gavan migrate up --kill-blockers",
    ],
)
@TO
@PHASE
@click.option("--include-all", is_flag=True, help="Also apply files older than the newest applied.")
@WAIT
@KILL_BLOCKERS
@click.option("--bootstrap", is_flag=True, help="First roles and system schemas, last the seeds.")
@SKIP
def up(
    context: Context,
    include_all: bool,
    kill_blockers: bool,
    bootstrap: bool,
    skip_backup: str | None,
    **chosen: Any,
) -> Result:
    """Apply what is pending, each file in one transaction.

    Findings of the lint are told. Where data are real, an error among them stops it (exit 5), and a
    verified backup comes first.
    """
    stack, access = reach(context)
    if not bootstrap:
        # A stack may have no migration yet; who types this, or a CI, means some.
        require_files(stack.database.migrations.dir)
    before = BackupBefore(context, stack, skip_backup)
    asked = chosen_options(context, stack, include_all, **chosen)
    how = before.in_front_of(replace(asked, kill_blockers=kill_blockers))
    with before.noted(access.owner):
        if bootstrap:
            done = bring_up(stack, access, how)
            return Result(data=done, text=_summary(done.migrations))
        applied = migrate(access.owner, stack.database.migrations.dir, how)
    return Result(data={"applied": applied, **before.said()}, text=_summary(applied))


def _summary(applied: list[str]) -> str:
    if not applied:
        return "up to date"
    noun = "migration" if len(applied) == 1 else "migrations"
    return f"applied {len(applied)} {noun}: {', '.join(applied)}"
