"""`gavan migrate new`: an empty migration, or one of what is piped in."""

from __future__ import annotations

import sys

import click

from gavan.cli.context import Context
from gavan.cli.database import reach
from gavan.cli.render import Result
from gavan.cli.verb import verb
from gavan.database.migration.files import DOWN, new_migration


@verb(
    "new",
    examples=[
        "gavan migrate new add_due_date",
        "gavan migrate new labels --down",
        "gavan migrate new labels --from-stdin < labels.sql",
    ],
)
@click.option("--down", "with_down", is_flag=True, help="Also its file in down/, to take it back.")
@click.option("--from-stdin", is_flag=True, help="With what is piped in, not empty.")
@click.argument("name")
def new(context: Context, name: str, with_down: bool, from_stdin: bool) -> Result:
    """Create an empty migration; its version follows the style of the others."""
    stack, _ = reach(context)
    text = sys.stdin.read() if from_stdin else ""
    path = new_migration(stack.database.migrations.dir, name, with_down=with_down)
    path.write_text(text, encoding="utf-8")
    down = path.parent / DOWN / path.name if with_down else None
    return Result(
        data={"path": path, "down": down}, text="\n".join(map(str, filter(None, (path, down))))
    )
