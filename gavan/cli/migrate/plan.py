"""`gavan migrate plan`: what `up` or `down` would do."""

from __future__ import annotations

from typing import Any

import click

from gavan.cli.context import Context
from gavan.cli.database import reach
from gavan.cli.migrate.flags import FINDINGS_EXIT, PHASE, TO, chosen_options, one_of
from gavan.cli.migrate.planned import plan_data, plan_text
from gavan.cli.render import Result
from gavan.cli.verb import verb
from gavan.database.forecast.look import look
from gavan.database.lint.of_stack import rules_of, sources_of
from gavan.database.migration.apply import plan_up
from gavan.database.migration.lock import connect
from gavan.database.migration.take_back import plan_down


@verb(
    "plan",
    examples=[
        "gavan migrate plan",
        "gavan migrate plan --down 2",
        "gavan migrate plan --down-to 020 --json",
        "gavan migrate plan --phase expand",
    ],
)
@TO
@PHASE
@click.option("--down", "count", type=click.IntRange(1), help="Of taking back this many.")
@click.option("--down-to", "back_to", metavar="VERSION", help="Of taking back all after VERSION.")
@click.option("--include-all", is_flag=True, help="Also files older than the newest applied.")
@click.option("--exit-code", is_flag=True, help="Exit 5 when there is something to do.")
def plan(
    context: Context,
    count: int | None,
    back_to: str | None,
    include_all: bool,
    exit_code: bool,
    **chosen: Any,
) -> Result:
    """Show what `up` or `down` would do: statements, locks, losses, findings; changes nothing."""
    stack, access = reach(context)
    folder = stack.database.migrations.dir
    if count is not None or back_to is not None:
        steps = plan_down(access.owner, folder, count=one_of(count, back_to), to=back_to)
    else:
        steps = plan_up(access.owner, folder, chosen_options(context, stack, include_all, **chosen))
    with connect(access.owner, "plan") as connection:
        seen = look(connection, steps, sources_of(stack), rules_of(stack))
    return Result(
        data=plan_data(steps, seen),
        text=lambda style: plan_text(steps, style, seen) or "nothing to do",
        exit_code=FINDINGS_EXIT if exit_code and steps else 0,
    )
