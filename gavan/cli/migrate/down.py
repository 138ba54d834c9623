"""`gavan migrate down`: take back the newest migrations."""

from __future__ import annotations

from dataclasses import replace

import click

from gavan.cli.backup.before import SKIP, BackupBefore
from gavan.cli.context import Context
from gavan.cli.database import reach, reporter
from gavan.cli.migrate.flags import KILL_BLOCKERS, WAIT, one_of
from gavan.cli.migrate.planned import plan_text
from gavan.cli.render import Result, Style
from gavan.cli.verb import verb
from gavan.database.access import options
from gavan.database.forecast.look import look
from gavan.database.lint.of_stack import rules_of, sources_of
from gavan.database.migration.lock import connect
from gavan.database.migration.take_back import plan_down, take_back


@verb(
    "down",
    examples=[
        "gavan migrate down",
        "gavan migrate down 3",
        "gavan migrate down --to 020",
        "gavan migrate down -p prod --yes --confirm board",
    ],
)
@click.option("--to", metavar="VERSION", help="Take back all that is newer than VERSION.")
@WAIT
@KILL_BLOCKERS
@SKIP
@click.argument("count", type=click.IntRange(1), required=False)
def down(
    context: Context,
    count: int | None,
    to: str | None,
    wait_s: float,
    kill_blockers: bool,
    skip_backup: str | None,
) -> Result:
    """Take back the newest migration, or COUNT of them, by the files in down/; asks first.

    Where data are real, a verified backup comes first.
    """
    stack, access = reach(context)
    steps = plan_down(access.owner, stack.database.migrations.dir, count=one_of(count, to), to=to)
    if not steps:
        return Result(data={"taken_back": []}, text=f"{to} is the newest already")
    with connect(access.owner, "plan") as connection:
        seen = look(connection, steps, sources_of(stack), rules_of(stack))
    context.progress.message(plan_text(steps, Style(enabled=False), seen))
    noun = "this migration" if len(steps) == 1 else f"these {len(steps)} migrations"
    context.confirm_loss(f"Take back {noun} of {stack.name} ({stack.profile.name})?")
    how = replace(
        options(stack, wait_s=wait_s, report=reporter(context)), kill_blockers=kill_blockers
    )
    before = BackupBefore(context, stack, skip_backup)
    before.take()
    with before.noted(access.owner):
        done = take_back(access.owner, steps, how)
    return Result(data={"taken_back": done, **before.said()}, text=f"taken back: {', '.join(done)}")
