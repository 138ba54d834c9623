"""`gavan check`: every mistake of the stack file in one run; --fix renames misspelt keys."""

from __future__ import annotations

import difflib
from pathlib import Path

import click

from gavan.cli.context import Context
from gavan.cli.render import Result, Style
from gavan.cli.verb import verb
from gavan.stack import example, toml
from gavan.stack.findings import Finding, Level, render, shorten
from gavan.stack.fix import rename_keys, renames
from gavan.stack.load import Loaded, load


@verb(
    "check",
    examples=[
        "gavan check",
        "gavan check --fix",
        "gavan check -p prod --json",
        "gavan check --env",
    ],
)
@click.option("--fix", is_flag=True, help="Rename misspelt keys; shows the change.")
@click.option("--env", "env", is_flag=True, help="Also compare .env.example with the stack file.")
def command(context: Context, fix: bool, env: bool) -> Result:
    """Find every mistake in the stack file and its .env files.

    Exit code 2: the stack cannot run as it is written. Exit code 5: .env.example is out of date.
    """
    loaded = _load(context)
    diff = ""
    if fix:
        loaded, diff = _fix(context, loaded)
    stale = _compare_example(loaded, fix=fix) if env else []
    findings = loaded.findings
    data = {"file": loaded.stack.file, "findings": findings, "diff": diff, "env": stale}
    code = 2 if loaded.errors else 5 if stale else 0
    return Result(
        data=data, text=lambda style: _text(style, diff, findings, stale, loaded), exit_code=code
    )


def _load(context: Context) -> Loaded:
    flags = context.flags
    return load(flags.file, profile=flags.profile, overrides=flags.set)


def _fix(context: Context, loaded: Loaded) -> tuple[Loaded, str]:
    """Write renames until none is left; return what is then and the change as a unified diff.

    One mend may uncover the next: a renamed section is read only then.
    """
    file = loaded.stack.file
    before = text = file.read_bytes().decode()
    while found := renames(loaded.findings, file):
        text = rename_keys(text, found[:1])
        toml.parse(text, file)
        _replace(file, text)
        loaded = _load(context)
    lines = difflib.unified_diff(
        before.splitlines(), text.splitlines(), str(shorten(file)), "fixed", lineterm="", n=1
    )
    return loaded, "\n".join(lines)


def _replace(file: Path, text: str) -> None:
    """Write the file anew beside itself, so that a stop half way leaves the old one."""
    fresh = file.with_name(f".{file.name}.fixed")
    fresh.write_bytes(text.encode())
    fresh.chmod(file.stat().st_mode)
    fresh.replace(file)


def _compare_example(loaded: Loaded, *, fix: bool) -> list[str]:
    wanted = example.variables(loaded.source)
    file = loaded.stack.root / example.FILE_NAME
    stale = example.differences(file, wanted)
    if stale and fix:
        file.write_text(example.render(wanted))
        return []
    return [f"{shorten(file)}: {sentence}" for sentence in stale]


def _text(
    style: Style, diff: str, findings: tuple[Finding, ...], stale: list[str], loaded: Loaded
) -> str:
    blocks = [diff] if diff else []
    if findings:
        blocks.append(render(findings))
    if stale:
        blocks.append("\n".join([*stale, "mend: gavan check --env --fix"]))
    if not any(finding.level is Level.ERROR for finding in findings) and not stale:
        name = f"{shorten(loaded.stack.file)}, profile {loaded.stack.profile.name}"
        blocks.append(style.good(f"{name}: no mistakes"))
    return "\n\n".join(blocks)
