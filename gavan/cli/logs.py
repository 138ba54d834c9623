"""`gavan logs`: what units printed, merged by time, one colour per unit."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import click

from gavan.cli.compose import look
from gavan.cli.compose.project import is_compose
from gavan.cli.context import Context
from gavan.cli.local import COLORS, load_local
from gavan.cli.render import Result, Style, to_json
from gavan.cli.verb import verb
from gavan.engines.embedded.logread import (
    Follower,
    Line,
    Query,
    follow,
    parse_since,
    plain,
    read_merged,
    units_with_logs,
)
from gavan.engines.embedded.paths import logs_dir
from gavan.kit.errors import GavanError

LAST_LINES = 200


@verb("logs", examples=["gavan logs", "gavan logs core -f", "gavan logs --since 10m --grep error"])
@click.argument("units", nargs=-1)
@click.option("-f", "--follow", "follows", is_flag=True, help="Go on with what comes.")
@click.option("--since", help="Only from then on: 30s, 10m, 2h, or 2026-01-31T12:00.")
@click.option("--grep", help="Only lines that match this regular expression.")
@click.option("-n", "--last", type=int, help=f"At most so many per unit (default {LAST_LINES}).")
def command(
    context: Context,
    units: tuple[str, ...],
    follows: bool,
    since: str | None,
    grep: str | None,
    last: int | None,
) -> Result | None:
    """Print the logs of units."""
    if is_compose(context):
        return look.logs(context, units, _compose_words(follows, since, last))
    stack, _ = load_local(context)
    folder = logs_dir(stack.state_dir)
    known = units_with_logs(folder)
    names = list(units) or [name for name in known if name != "supervisor"]
    unknown = [name for name in units if name not in known]
    if unknown and not follows:
        raise GavanError(
            "GV223",
            f"no logs of {', '.join(unknown)}",
            hint=f"there are logs of: {', '.join(known) or 'nothing yet, run gavan up'}",
            exit_code=2,
        )
    query = _query(since, grep, last)
    follower = Follower(folder, names)
    printer = Printer(context, names)
    for line in read_merged(folder, names, query):
        printer.show(line)
    if follows:
        for line in follow(follower, query):
            printer.show(line)
    return None


def _compose_words(follows: bool, since: str | None, last: int | None) -> list[str]:
    return [
        *(["--follow"] if follows else []),
        *(["--since", since] if since else []),
        *("--tail", str(last or LAST_LINES)),
    ]


def _query(since: str | None, grep: str | None, last: int | None) -> Query:
    try:
        start = parse_since(since, datetime.now(UTC)) if since else ""
        pattern = re.compile(grep) if grep else None
    except (ValueError, re.error) as error:
        raise GavanError("GV105", f"not understood: {error}", exit_code=2) from error
    if last is None and not since and not grep:
        last = LAST_LINES
    return Query(since=start, grep=pattern, last=last)


class Printer:
    """Prints lines of several units so that one can tell them apart."""

    def __init__(self, context: Context, units: list[str]) -> None:
        self._output = context.output
        self._style: Style = context.output.style
        self._width = max(map(len, units), default=0)
        self._colors = {name: COLORS[i % len(COLORS)] for i, name in enumerate(units)}

    def show(self, line: Line) -> None:
        """Print one line, as text or as one JSON object."""
        if self._output.machine:
            text = plain(line.text)
            self._output.line(to_json({"ts": line.at, "unit": line.unit, "line": text}))
            return
        name = self._style(f"{line.unit:<{self._width}}", self._colors.get(line.unit))
        text = line.text if self._style.enabled else plain(line.text)
        self._output.line(f"{line.at[11:23]} {name} {text}")
