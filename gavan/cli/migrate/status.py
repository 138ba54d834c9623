"""`gavan migrate status`: every version, and what mends those that are wrong."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import Any

import click

from gavan.cli.context import Context
from gavan.cli.database import reach
from gavan.cli.migrate.flags import FINDINGS_EXIT
from gavan.cli.migrate.missing import checkout_line
from gavan.cli.render import Result, Style, table
from gavan.cli.verb import verb
from gavan.database.migration.apply import status
from gavan.database.migration.archive import archived_versions
from gavan.database.migration.plan import MENDS, Entry, State, difference, mend


@verb("status", examples=["gavan migrate status", "gavan migrate status --exit-code"])
@click.option("--exit-code", is_flag=True, help="Exit 5 when something is pending or wrong.")
def show(context: Context, exit_code: bool) -> Result:
    """Show every version: applied (when, by whom), pending, changed, missing, out of order."""
    stack, access = reach(context)
    folder = stack.database.migrations.dir
    entries = status(access.owner, folder)
    squashed = archived_versions(folder)
    mends = {one.version: _mend(one, folder, squashed) for one in entries if one.state in MENDS}
    wanted = (State.APPLIED, State.REFORMATTED)
    is_clean = all(entry.state in wanted for entry in entries)
    return Result(
        data=[_row(entry, mends) for entry in entries],
        text=lambda style: _table(entries, mends, style),
        exit_code=FINDINGS_EXIT if exit_code and not is_clean else 0,
    )


def _mend(entry: Entry, folder: Path, squashed: Mapping[str, str]) -> str:
    """Return what mends an entry; for a missing file the commit that has it, where git knows."""
    found = None
    if entry.state is State.MISSING and entry.version not in squashed:
        found = checkout_line(folder, entry.version)
    return f"{found}; {mend(entry, squashed)}" if found else mend(entry, squashed)


def _row(entry: Entry, mends: Mapping[str, str]) -> dict[str, Any]:
    return {
        "version": entry.version,
        "name": entry.name,
        "state": str(entry.state),
        "path": entry.file.path if entry.file else None,
        "diff": difference(entry) if entry.state is State.CHANGED else None,
        "mend": mends.get(entry.version),
        "applied_at": entry.done.at.isoformat() if entry.done else None,
        "applied_by": entry.done.by if entry.done else None,
        "tool": entry.done.tool if entry.done else None,
        "release": entry.done.release if entry.done else None,
    }


def _table(entries: list[Entry], mends: Mapping[str, str], style: Style) -> str:
    if not entries:
        return "no migrations"
    rows = [(one.version, one.name, _colour(one, style), _when(one)) for one in entries]
    diffs = [difference(entry) for entry in entries if entry.state is State.CHANGED]
    lines = [f"{version}: {text}" for version, text in mends.items()]
    shown = table(("version", "name", "state", "applied"), rows, style)
    return "\n\n".join(filter(None, [shown, *diffs, "\n".join(lines)]))


def _when(entry: Entry) -> str:
    """Say when and by whom; a row of the history that our log does not know is another tool's."""
    if entry.done is None:
        return "by another tool" if entry.applied else ""
    at = entry.done.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    release = f", {entry.done.release}" if entry.done.release else ""
    return f"{at}, {entry.done.by}{release}"


def _colour(entry: Entry, style: Style) -> str:
    if entry.state in MENDS:
        return style.bad(entry.state)
    return style.doubt(entry.state) if entry.state is State.PENDING else style.good(entry.state)
