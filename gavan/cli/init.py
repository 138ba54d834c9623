"""`gavan init`: the smallest stack file, and what git must not keep."""

from __future__ import annotations

import re
from pathlib import Path

import click

from gavan.cli.context import Context
from gavan.cli.render import Result
from gavan.cli.verb import verb
from gavan.kit.errors import GavanError
from gavan.stack.load import FILE_NAME
from gavan.stack.values import SLUG, SLUG_MEND

IGNORED = (".gavan/", ".env", ".env.local", ".env.*.local")


@verb("init", examples=["gavan init", "gavan init board"])
@click.argument("name", required=False)
def command(context: Context, name: str | None) -> Result:
    """Begin a stack in this directory: gavan.toml with a name, and lines in .gitignore."""
    here = Path.cwd()
    file = here / FILE_NAME
    chosen = name or _slug(here.name)
    if not SLUG.fullmatch(chosen):
        raise GavanError(
            "GV104", f'"{chosen}" cannot be the name of a stack', hint=SLUG_MEND, exit_code=2
        )
    try:
        with file.open("x") as stream:
            stream.write(f'[stack]\nname = "{chosen}"\n')
    except FileExistsError as error:
        raise GavanError(
            "GV007",
            f"there is a {FILE_NAME} here already",
            hint="look at it: gavan check",
            exit_code=2,
        ) from error
    ignored = _ignore(here / ".gitignore")
    written = [FILE_NAME, *([".gitignore"] if ignored else [])]
    text = f"wrote {' and '.join(written)}\nnext: gavan up"
    return Result(data={"name": chosen, "written": written}, text=text)


def _slug(text: str) -> str:
    """Return a name made of what a directory is called."""
    words = re.sub(r"[^a-z0-9]+", "-", text.lower()).lstrip("-0123456789")
    return words[:40].strip("-") or "stack"


def _ignore(file: Path) -> bool:
    """Add the lines that .gitignore lacks; say whether there were any."""
    text = file.read_text() if file.is_file() else ""
    missing = [line for line in IGNORED if line not in text.splitlines()]
    if missing:
        before = text if not text or text.endswith("\n") else text + "\n"
        file.write_text(before + "\n".join(missing) + "\n")
    return bool(missing)
