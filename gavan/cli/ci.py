"""`gavan ci`: the files of GitHub Actions and GitLab CI, written from the stack and checked."""

from __future__ import annotations

import click

from gavan.ci.check import Checked
from gavan.ci.check import check as judge
from gavan.ci.facts import Facts
from gavan.ci.files import files
from gavan.cli.context import Context
from gavan.cli.generate import stale_result
from gavan.cli.render import Result, Style, table
from gavan.cli.verb import VerbGroup
from gavan.engines.generated import write
from gavan.stack.findings import Level, render
from gavan.stack.schema.ci import PROVIDERS

group = VerbGroup(
    "ci",
    help="Write and check the files of GitHub Actions and GitLab CI.",
    examples=["gavan ci generate", "gavan ci generate --check", "gavan ci check"],
)


@group.verb("generate", examples=["gavan ci generate", "gavan ci generate gitlab",
                                  "gavan ci generate --check"])  # fmt: skip
@click.argument("providers", nargs=-1, type=click.Choice(PROVIDERS))
@click.option("--check", is_flag=True, help="Write nothing; exit 5 when a file is not current.")
@click.option("--stdout", is_flag=True, help="Print the files instead of writing them.")
@click.option("--force", is_flag=True, help="Overwrite files that were changed by hand.")
def generate(
    context: Context, providers: tuple[str, ...], check: bool, stdout: bool, force: bool
) -> Result:
    """Write the pipelines that the stack has something for, at the root of the repository."""
    facts = _facts(context)
    made = files(facts, providers)
    names = {file.path: file.path.relative_to(facts.repository).as_posix() for file in made}
    if stdout:
        return Result(data={names[file.path]: file.text for file in made},
                      text="\n".join(file.text for file in made))  # fmt: skip
    if check:
        return stale_result({names[file.path]: file.state for file in made})
    written = [names[file.path] for file in write(made, force=force)]
    text = "\n".join(f"wrote {name}" for name in written) or "every file is current"
    return Result(data={"written": written}, text=text)


@group.verb("check", examples=["gavan ci check", "gavan ci check --json"])
def check(context: Context) -> Result:
    """Judge the pipelines without a runner: schema, jobs, expressions, pins, rights, commands.

    Exit code 5: there is an error. Says which secrets and variables each workflow of GitHub wants.
    """
    checked = judge(_facts(context).repository)
    for told in checked.skipped:
        context.output.warn(told)
    data = {"files": checked.files, "findings": checked.findings, "secrets": checked.secrets,
            "variables": checked.variables}  # fmt: skip
    failed = any(finding.level is Level.ERROR for finding in checked.findings)
    return Result(data=data, text=lambda style: _told(checked, style), exit_code=5 if failed else 0)


def _told(checked: Checked, style: Style) -> str:
    blocks = [render(checked.findings)] if checked.findings else []
    if not checked.files:
        blocks.append("there is no pipeline here: gavan ci generate")
    elif not checked.findings:
        blocks.append(style.good(f"{len(checked.files)} pipelines: no mistakes"))
    rows = [(name, ", ".join(names), ", ".join(checked.variables.get(name, ())))
            for name, names in checked.secrets.items()]  # fmt: skip
    head = ("file", "secrets", "variables")
    return "\n\n".join([*blocks, *([table(head, rows, style)] if rows else [])])


def _facts(context: Context) -> Facts:
    return Facts(stack=context.stack, source=context.loaded.source)
