"""`gavan migrate adopt`: the files and the history of golang-migrate and dbmate become ours."""

from __future__ import annotations

from pathlib import Path

import click

from gavan.cli.context import Context
from gavan.cli.database import reach, reporter
from gavan.cli.migrate.flags import WAIT
from gavan.cli.render import Result
from gavan.cli.verb import verb
from gavan.database.access import options
from gavan.database.migration.adopt import adopt_history
from gavan.database.migration.adopt_files import plan_files, write_files
from gavan.database.migration.files import read_migrations
from gavan.kit.errors import GavanError

_NO_CONNECTION = "GV321"


@verb("adopt", examples=["gavan migrate adopt", "gavan migrate adopt db/migrations"])
@WAIT
@click.argument(
    "source", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
def adopt(context: Context, source: Path | None, wait_s: float) -> Result:
    """Take over files of golang-migrate or dbmate, and what their table says is applied.

    SOURCE: their folder, where it is not that of the stack; it is left as it is. Down files beside
    the others move to down/, files without a version get one.
    """
    stack, access = reach(context)
    folder = stack.database.migrations.dir
    plan = plan_files((source or folder).resolve(), folder)
    for one in plan:
        context.progress.message(f"{one.source.name} -> {one.target.relative_to(folder)}")
    context.confirm_loss(f"Write {len(plan)} files, and what is applied into the history?")
    write_files(plan, folder)
    read_migrations(folder)
    how = options(stack, wait_s=wait_s, report=reporter(context))
    warnings: tuple[str, ...] = ()
    tool, versions = "", list[str]()
    try:
        tool, versions = adopt_history(access.owner, folder, how)
    except GavanError as error:
        if error.code != _NO_CONNECTION:
            raise
        warnings = ("the database does not answer: run this again when it does, for its history",)
    files = [one.target for one in plan]
    text = f"{len(files)} files; marked as applied: {', '.join(versions) or 'none'}"
    if tool:
        text += f"\n{tool}'s table schema_migrations stays; drop it when that tool is gone"
    return Result(
        data={"files": files, "tool": tool or None, "marked": versions},
        text=text,
        warnings=warnings,
    )
