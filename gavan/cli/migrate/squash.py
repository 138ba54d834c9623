"""`gavan migrate squash`: one migration of many."""

from __future__ import annotations

from functools import partial

import click

from gavan.cli.context import Context
from gavan.cli.database import reach, reporter
from gavan.cli.migrate.flags import WAIT
from gavan.cli.migrate.shadow import shadow_of
from gavan.cli.render import Result
from gavan.cli.verb import verb
from gavan.database.access import options
from gavan.database.migration.archive import ARCHIVE
from gavan.database.migration.squash import squash as squash_files


@verb("squash", examples=["gavan migrate squash", "gavan migrate squash --to 050"])
@click.option("--to", metavar="VERSION", help="Only up to VERSION; the others stay.")
@WAIT
def squash(context: Context, to: str | None, wait_s: float) -> Result:
    """Make one file of the migrations, with their rows, proved on shadow databases; asks first.

    The old files go into archive/. On another database of the same files: writes its history alone.
    """
    stack, access = reach(context)
    context.confirm_loss(f"Make one migration of those up to {to or 'the newest'}?")
    how = options(stack, wait_s=wait_s, report=reporter(context))
    folder = stack.database.migrations.dir
    done = squash_files(access.owner, partial(shadow_of, access, how.report), folder, to, how)
    if not done:
        return Result(data={"squashed": []}, text="nothing to squash")
    text = f"{len(done)} migrations are one: {done[-1]}; the old files are in {folder / ARCHIVE}"
    return Result(data={"squashed": done}, text=text)
