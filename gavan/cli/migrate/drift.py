"""`gavan migrate diff | baseline | repair`: the database beside its migrations and its history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from gavan.cli.context import Context
from gavan.cli.database import reach, reporter
from gavan.cli.migrate.flags import FINDINGS_EXIT, WAIT
from gavan.cli.migrate.shadow import shadow_of
from gavan.cli.render import Result, Style
from gavan.cli.verb import verb
from gavan.database.access import options
from gavan.database.migration.catalogue import Change, Difference
from gavan.database.migration.declared import declared_database, declared_differences
from gavan.database.migration.drift import baseline, drift_statements, find_drift
from gavan.database.migration.parsed import Direction
from gavan.database.migration.repair import repair
from gavan.database.migration.run import Options
from gavan.database.migration.write_diff import Shadows, Written, write_declared, write_diff

_STATUS = {"applied": Direction.UP, "reverted": Direction.DOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """How the two sides of a comparison are called, and what mends each kind of difference."""

    wanted: str
    found: str
    clean: str
    why: Mapping[Change, str]
    mends: Mapping[Change, str]


_BY_HAND = _Words(
    wanted="migrations",
    found="database",
    clean="the database is what its migrations make",
    why={
        Change.EXTRA: "is in the database, and no applied migration makes it",
        Change.GONE: "is made by the migrations, and not in the database",
        Change.DIFFERENT: "is not as the migrations make it",
    },
    mends={
        Change.EXTRA: "keep it: gavan migrate diff -f NAME; else drop it by hand",
        Change.GONE: "make it again as the migration has it; else drop it by a new migration",
        Change.DIFFERENT: "keep it: gavan migrate diff -f NAME; else change it back",
    },
)
_WRITE = "write the migration: gavan migrate diff --to PATH -f NAME"
_DECLARED = _Words(
    wanted="migrations",
    found="declared",
    clean="the declared schema is what the migrations make",
    why={
        Change.EXTRA: "is declared, and no migration makes it",
        Change.GONE: "is made by the migrations, and not declared",
        Change.DIFFERENT: "is not declared as the migrations make it",
    },
    mends=dict.fromkeys(Change, _WRITE),
)


@verb(
    "diff",
    examples=[
        "gavan migrate diff",
        "gavan migrate diff --json",
        "gavan migrate diff -f by_hand",
        "gavan migrate diff --to supabase/schemas -f labels",
    ],
)
@click.option("-f", "--write", "name", metavar="NAME", help="As a migration of this name.")
@click.option(
    "--to",
    "declared",
    type=click.Path(exists=True, path_type=Path),
    help="Compare the migrations with these files of SQL, not with the database.",
)
def diff(context: Context, name: str | None, declared: Path | None) -> Result:
    """Compare the database with a shadow that has its applied migrations; changes nothing there.

    Exit 5 when something was changed by hand since. With -f that becomes a migration: written only
    when a second shadow shows that it leads to what the database is. With --to both are shadows.
    """
    stack, access = reach(context)
    how = options(stack, wait_s=0.0, report=reporter(context))
    folder = stack.database.migrations.dir
    shadows = partial(shadow_of, access, how.report)
    if declared is not None:
        return _diff_declared(declared, shadows, folder, name, how)
    if name is not None:
        return _written(write_diff(access.owner, shadows, folder, name, how), _BY_HAND)
    with shadows() as shadow:
        found = find_drift(access.owner, shadow, folder, how)
        statements = drift_statements(access.owner, shadow) if found else []
    return _result(found, {"sql": statements}, _BY_HAND)


def _diff_declared(
    declared: Path, shadows: Shadows, folder: Path, name: str | None, how: Options
) -> Result:
    if name is not None:
        return _written(write_declared(declared, shadows, folder, name, how), _DECLARED)
    with (
        shadows() as target,
        declared_database(declared, target, how.report) as goal,
        shadows() as shadow,
    ):
        found = declared_differences(goal, shadow, folder, how.report)
        statements = drift_statements(target, shadow) if found else []
    return _result(found, {"sql": statements}, _DECLARED)


@verb("baseline", examples=["gavan migrate baseline 020"])
@WAIT
@click.argument("version")
def mark_baseline(context: Context, version: str, wait_s: float) -> Result:
    """Mark all migrations up to VERSION as applied, after proving that the schema is theirs.

    For a database that was made before its migrations were written down. Exit 5 when it differs.
    """
    stack, access = reach(context)
    context.confirm_loss(f"Mark all up to {version} as applied, without running them?")
    how = options(stack, wait_s=wait_s, report=reporter(context))
    with shadow_of(access, how.report) as shadow:
        done, found = baseline(access.owner, shadow, stack.database.migrations.dir, version, how)
    clean = f"marked as applied: {', '.join(done) or 'none new'}"
    return _result(found, {"marked": done}, replace(_BY_HAND, clean=clean))


@verb(
    "repair",
    examples=[
        "gavan migrate repair 020 --status reverted",
        "gavan migrate repair 010 020 --status applied",
    ],
)
@click.option("--status", type=click.Choice([*_STATUS]), required=True, help="What is true.")
@WAIT
@click.argument("versions", nargs=-1, required=True, metavar="VERSION...")
def mark(context: Context, versions: tuple[str, ...], status: str, wait_s: float) -> Result:
    """Correct the history of versions; runs nothing of them.

    `applied` for what was run by hand, or to accept an edited file; `reverted` for what was undone.
    """
    stack, access = reach(context)
    shown = ", ".join(versions)
    context.confirm_loss(f"Write into the history that {shown} is {status}?")
    how = options(stack, wait_s=wait_s, report=reporter(context))
    repair(access.owner, stack.database.migrations.dir, versions, _STATUS[status], how)
    return Result(
        data={"versions": versions, "status": status}, text=f"{shown}: {status} in the history"
    )


def _written(written: Written, words: _Words) -> Result:
    data: dict[str, Any] = {"path": written.path, "statements": written.statements}
    if written.path is None:
        return Result(data=data, text=f"{words.clean}: nothing to write")
    if words is _DECLARED:
        return Result(data=data, text=f"{written.path}\nread it, then: gavan migrate up")
    mark = f"gavan migrate repair {written.version} --status applied"
    data["mark"] = mark
    text = f"{written.path}\nthis database has it already; say so: {mark}"
    return Result(data=data, text=text)


def _result(found: Sequence[Difference], data: dict[str, Any], words: _Words) -> Result:
    findings = [
        {
            "code": "GV334",
            "change": one.change,
            "kind": one.kind,
            "name": one.name,
            "message": f"{one.kind} {one.name} {words.why[one.change]}",
            "wanted": one.wanted,
            "found": one.found,
            "mend": words.mends[one.change],
        }
        for one in found
    ]
    return Result(
        data={**data, "findings": findings},
        text=lambda style: (
            "\n".join([*_lines(found, words, style), *_sql_lines(data)]) or style.good(words.clean)
        ),
        exit_code=FINDINGS_EXIT if found else 0,
    )


def _sql_lines(data: dict[str, Any]) -> Iterator[str]:
    if data.get("sql"):
        yield "\nmade by:"
        yield from (f"{statement};" for statement in data["sql"])


def _lines(found: Sequence[Difference], words: _Words, style: Style) -> Iterator[str]:
    width = max(len(words.wanted), len(words.found)) + 1
    for one in found:
        yield f"{style.bad('GV334')} {one.kind} {one.name} {words.why[one.change]}"
        if one.wanted is not None:
            yield f"  {words.wanted + ':':{width}} {_short(one.wanted)}"
        if one.found is not None:
            yield f"  {words.found + ':':{width}} {_short(one.found)}"
        yield f"  mend: {words.mends[one.change]}"


def _short(definition: str) -> str:
    text = " ".join(definition.split())
    return text if len(text) <= 200 else f"{text[:200]}..."
