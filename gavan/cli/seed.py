"""`gavan seed`: run the seed files of the stack once per content, and upload seeded objects."""

from __future__ import annotations

import click

from gavan.cli.context import Context
from gavan.cli.database import reach, reporter
from gavan.cli.render import Result
from gavan.cli.seed_objects import seed_objects
from gavan.cli.verb import verb
from gavan.database.access import run_seeds


@verb("seed", examples=["gavan seed", "gavan seed --mock", "gavan seed --again"])
@click.option("--mock", is_flag=True, help="Also the mock data of [database.seed]; profile dev.")
@click.option("--again", is_flag=True, help="Run them although they ran before or changed since.")
def command(context: Context, mock: bool, again: bool) -> Result:
    """Run the seeds that have not run yet, and upload what buckets shall hold (objects_path)."""
    stack, access = reach(context)
    ran = run_seeds(stack, access, report=reporter(context), mock=mock, again=again)
    objects = seed_objects(context, stack)
    done = [f"ran {', '.join(ran)}"] if ran else []
    done += [f"uploaded {objects} objects"] if objects else []
    return Result(data={"ran": ran, "objects": objects}, text=", ".join(done) or "up to date")
