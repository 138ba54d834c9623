"""`gavan migrate lint`: what a migration would lock, lose or open, before it is applied.

Asks no database: it runs in CI and in a hook.
"""

from __future__ import annotations

from pathlib import Path

import click

from gavan.cli.context import Context
from gavan.cli.migrate.flags import FINDINGS_EXIT
from gavan.cli.render import Result, Style
from gavan.cli.verb import verb
from gavan.database.lint.of_stack import rules_of, sources_of
from gavan.database.lint.run import lint_files
from gavan.stack.findings import Level, render


@verb(
    "lint",
    examples=[
        "gavan migrate lint",
        "gavan migrate lint supabase/migrations/080_due_dates.sql --json",
    ],
)
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def lint(context: Context, files: tuple[Path, ...]) -> Result:
    """Judge migrations, down files and seeds; FILES: only these. Not files larger than 4 MB.

    Exit code 5: there is an error. Warnings alone exit 0.
    """
    stack = context.stack
    asked = {path.resolve() for path in files}
    sources, large = sources_of(stack, files).without_large()
    only = {path for path in sources.kinds() if path.resolve() in asked}
    findings = lint_files(sources, rules_of(stack), only=only if files else None)
    count = len(only) if files else len(sources.kinds())
    errors = any(finding.level is Level.ERROR for finding in findings)
    return Result(
        data={"files": count, "findings": findings},
        text=lambda style: render(findings) if findings else _clean(count, style),
        exit_code=FINDINGS_EXIT if errors else 0,
        warnings=tuple(f"{path} is larger than 4 MB: not judged" for path in large),
    )


def _clean(count: int, style: Style) -> str:
    noun = "file" if count == 1 else "files"
    return style.good(f"{count} {noun}: nothing found")
