"""`gavan migrate lint`: what a migration would lock, lose or open, before it is applied.

Asks no database: it runs in CI and in a hook.
"""

from __future__ import annotations

from pathlib import Path

import click

from gavan.cli.context import Context
from gavan.cli.migration_drift import FINDINGS_EXIT
from gavan.cli.render import Result, Style
from gavan.cli.verb import verb
from gavan.database.lint.run import Rules, Sources, lint_files
from gavan.database.migration.files import DOWN, sql_files
from gavan.stack.findings import Level, render
from gavan.stack.model import Stack


@verb(
    "lint",
    examples=[
        "gavan migrate lint",
        "gavan migrate lint supabase/migrations/080_due_dates.sql --json",
    ],
)
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def lint(context: Context, files: tuple[Path, ...]) -> Result:
    """Judge migrations, down files and seeds; FILES: only these.

    Exit code 5: there is an error. Warnings alone exit 0.
    """
    stack = context.stack
    migrations = stack.database.migrations
    only = tuple(path.resolve() for path in files)
    sources = _sources(stack, only)
    rules = Rules(levels=migrations.lint, exposed=stack.core.schemas)
    findings = lint_files(sources, rules, only=only or None)
    count = len(only) or len(sources.kinds())
    errors = any(finding.level is Level.ERROR for finding in findings)
    return Result(
        data={"files": count, "findings": findings},
        text=lambda style: render(findings) if findings else _clean(count, style),
        exit_code=FINDINGS_EXIT if errors else 0,
    )


def _sources(stack: Stack, only: tuple[Path, ...]) -> Sources:
    """Return the files of the stack; a file from elsewhere is read as its newest migration."""
    folder = stack.database.migrations.dir.resolve()
    seed = stack.database.seed
    ups, downs = sql_files(folder), sql_files(folder / DOWN)
    seeds = [path.resolve() for path in (*seed.files, *seed.mock) if path.is_file()]
    known = {*ups, *downs, *seeds}
    elsewhere = [path for path in only if path not in known]
    return Sources(ups=[*ups, *elsewhere], downs=downs, seeds=seeds)


def _clean(count: int, style: Style) -> str:
    noun = "file" if count == 1 else "files"
    return style.good(f"{count} {noun}: nothing found")
