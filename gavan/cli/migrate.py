"""`gavan migrate new | up | status`."""

from __future__ import annotations

from typing import Any

import click

from gavan.cli.context import Context
from gavan.cli.database import reach, reporter
from gavan.cli.flags import Duration
from gavan.cli.render import Result, Style, table
from gavan.cli.verb import VerbGroup
from gavan.database.access import bring_up, options
from gavan.database.migration.apply import migrate, status
from gavan.database.migration.files import new_migration
from gavan.database.migration.plan import BLOCKING, Entry, State, difference

FINDINGS_EXIT = 5

group = VerbGroup(
    "migrate",
    help="Change the schema by numbered SQL files.",
    examples=["gavan migrate new add_due_date", "gavan migrate up", "gavan migrate status"],
)


@group.verb("new", examples=["gavan migrate new add_due_date"])
@click.argument("name")
def new(context: Context, name: str) -> Result:
    """Create an empty migration; its version follows the style of the others."""
    stack, _ = reach(context)
    path = new_migration(stack.database.migrations.dir, name)
    return Result(data={"path": path}, text=str(path))


@group.verb("up", examples=["gavan migrate up", "gavan migrate up --include-all --wait 5m"])
@click.option("--include-all", is_flag=True, help="Also apply files older than the newest applied.")
@click.option("--wait", "wait_s", type=Duration(), default=60.0, help="For the lock (60s).")
@click.option("--bootstrap", is_flag=True, help="First roles and system schemas, last the seeds.")
def up(context: Context, include_all: bool, wait_s: float, bootstrap: bool) -> Result:
    """Apply what is pending, each file in one transaction."""
    stack, access = reach(context)
    how = options(stack, include_all=include_all, wait_s=wait_s, report=reporter(context))
    if bootstrap:
        done = bring_up(stack, access, how)
        return Result(data=done, text=_summary(done.migrations))
    applied = migrate(access.owner, stack.database.migrations.dir, how)
    return Result(data={"applied": applied}, text=_summary(applied))


@group.verb("status", examples=["gavan migrate status", "gavan migrate status --exit-code"])
@click.option("--exit-code", is_flag=True, help="Exit 5 when something is pending or wrong.")
def show(context: Context, exit_code: bool) -> Result:
    """Show every version: applied, pending, changed, missing, out of order."""
    stack, access = reach(context)
    entries = status(access.owner, stack.database.migrations.dir)
    wanted = (State.APPLIED, State.REFORMATTED)
    is_clean = all(entry.state in wanted for entry in entries)
    return Result(
        data=[_row(entry) for entry in entries],
        text=lambda style: _table(entries, style),
        exit_code=FINDINGS_EXIT if exit_code and not is_clean else 0,
    )


def _summary(applied: list[str]) -> str:
    if not applied:
        return "up to date"
    noun = "migration" if len(applied) == 1 else "migrations"
    return f"applied {len(applied)} {noun}: {', '.join(applied)}"


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "version": entry.version,
        "name": entry.name,
        "state": str(entry.state),
        "path": entry.file.path if entry.file else None,
        "diff": difference(entry) if entry.state is State.CHANGED else None,
    }


def _table(entries: list[Entry], style: Style) -> str:
    if not entries:
        return "no migrations"
    rows = [(entry.version, entry.name, _colour(entry, style)) for entry in entries]
    diffs = [difference(entry) for entry in entries if entry.state is State.CHANGED]
    return "\n\n".join([table(("version", "name", "state"), rows, style), *filter(None, diffs)])


def _colour(entry: Entry, style: Style) -> str:
    if entry.state in BLOCKING:
        return style.bad(entry.state)
    return style.doubt(entry.state) if entry.state is State.PENDING else style.good(entry.state)
