"""`gavan migrate schema`: the whole schema as one file, for reviews and searches."""

from __future__ import annotations

import difflib
from pathlib import Path

import click

from gavan.backups.portable_dump import schema_text
from gavan.cli.context import Context
from gavan.cli.database import reach
from gavan.cli.migrate.flags import FINDINGS_EXIT
from gavan.cli.render import Result
from gavan.cli.verb import verb
from gavan.stack.model import Stack


@verb(
    "schema",
    examples=["gavan migrate schema", "gavan migrate schema --check", "gavan migrate schema -"],
)
@click.option("--check", is_flag=True, help="Write nothing; exit 5 with a diff when it is stale.")
@click.argument(
    "file", required=False, type=click.Path(dir_okay=False, allow_dash=True, path_type=Path)
)
def schema(context: Context, check: bool, file: Path | None) -> Result:
    """Write the schema of the database into FILE (schema.sql beside the migrations; - prints it).

    What the platform makes by itself is left out. Two machines with one schema write one text: a
    review shows in it what a migration changes in the end.
    """
    stack, access = reach(context)
    text = schema_text(access.owner)
    if file == Path("-"):
        return Result(data={"schema": text}, text=text)
    path = file or default_file(stack)
    before = path.read_text("utf-8") if path.is_file() else ""
    if check:
        return _compare(path, before, text)
    if before != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    said = f"wrote {path}" if before != text else f"{path} is up to date"
    return Result(data={"path": path, "is_changed": before != text}, text=said)


def default_file(stack: Stack) -> Path:
    """Return the file beside the folder of the migrations."""
    return stack.database.migrations.dir.parent / "schema.sql"


def _compare(path: Path, before: str, text: str) -> Result:
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), text.splitlines(keepends=True), str(path), "the database"
    )
    diff = "".join(lines)
    return Result(
        data={"path": path, "is_stale": bool(diff), "diff": diff},
        text=f"{diff}\nstale: gavan migrate schema" if diff else "up to date",
        exit_code=FINDINGS_EXIT if diff else 0,
    )
