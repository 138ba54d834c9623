"""`gavan seed`: run the seed files of the stack once per content."""

from __future__ import annotations

import click

from gavan.cli.context import Context
from gavan.cli.database import reach, reporter
from gavan.cli.render import Result
from gavan.cli.verb import verb
from gavan.database.access import run_seeds


@verb("seed", examples=["gavan seed", "gavan seed --mock", "gavan seed --again"])
@click.option("--mock", is_flag=True, help="Also the mock data of [database.seed]; profile dev.")
@click.option("--again", is_flag=True, help="Run them although they ran before or changed since.")
def command(context: Context, mock: bool, again: bool) -> Result:
    """Run the seeds of the stack file that have not run yet."""
    stack, access = reach(context)
    ran = run_seeds(stack, access, report=reporter(context), mock=mock, again=again)
    return Result(data={"ran": ran}, text=f"ran {', '.join(ran)}" if ran else "up to date")
