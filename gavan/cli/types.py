"""`gavan types`: typed clients from the catalogue of the database."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

import click

from gavan.cli.context import Context
from gavan.cli.database import reach
from gavan.cli.render import Result
from gavan.cli.verb import verb
from gavan.database.types.model import Catalogue
from gavan.database.types.python import python
from gavan.database.types.read import read_catalogue
from gavan.database.types.typescript import typescript
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

STALE_EXIT = 5
RENDERERS: dict[str, Callable[[Catalogue], str]] = {"ts": typescript, "py": python}
ANY_FILE = click.Path(dir_okay=False, path_type=Path)


@verb(
    "types",
    examples=[
        "gavan types --lang ts -o web/src/database.types.ts",
        "gavan types --lang py --schema public --schema shop",
        "gavan types --lang ts --check web/src/database.types.ts",
        "gavan types --lang ts --db-url postgresql://me@db.example.org/postgres",
    ],
)
@click.option("--lang", type=click.Choice(list(RENDERERS)), default="ts", show_default=True,
              help="TypeScript for supabase-js, or Python for supabase-py.")  # fmt: skip
@click.option("--schema", "schemas", multiple=True,
              help="Only this schema; repeatable (default: [core] schemas).")  # fmt: skip
@click.option("--output-file", "-o", type=ANY_FILE, help="Write there instead of to stdout.")
@click.option("--check", type=ANY_FILE, help="Exit 5 with a diff when this file is stale.")
@click.option("--db-url", help="Another database than the stack's; needs no stack file.")
def command(
    context: Context,
    lang: str,
    schemas: tuple[str, ...],
    output_file: Path | None,
    check: Path | None,
    db_url: str | None,
) -> Result:
    """Print typed clients of the data API: tables, views, functions, enums.

    The TypeScript has the shape of `supabase gen types --lang typescript`.
    """
    if output_file is not None and check is not None:
        raise GavanError(
            "GV323",
            "--output-file and --check exclude one another",
            hint=f"gavan types --lang {lang} --check {check}",
            exit_code=2,
        )
    text = RENDERERS[lang](_catalogue(context, schemas, db_url))
    if check is not None:
        return _compare(check, text, lang)
    if output_file is not None:
        output_file.parent.mkdir(parents=True, exist_ok=True)
        output_file.write_text(text, encoding="utf-8")
        return Result(data={"path": output_file}, text=f"wrote {output_file}")
    return Result(data={"types": text}, text=text)


def _catalogue(context: Context, schemas: tuple[str, ...], db_url: str | None) -> Catalogue:
    if db_url is not None:
        return read_catalogue(Secret(db_url), schemas or ("public",))
    stack, access = reach(context)
    return read_catalogue(access.owner, schemas or stack.core.schemas)


def _compare(file: Path, text: str, lang: str) -> Result:
    old = file.read_text(encoding="utf-8") if file.is_file() else ""
    if old == text:
        return Result(data={"path": file, "is_stale": False, "diff": ""}, text="up to date")
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), text.splitlines(keepends=True), str(file), "the database"
    )
    diff = "".join(lines)
    return Result(
        data={"path": file, "is_stale": True, "diff": diff},
        text=f"{diff}\nstale: gavan types --lang {lang} -o {file}",
        exit_code=STALE_EXIT,
    )
