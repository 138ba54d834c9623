"""How a plan of migrations is shown: every statement with its line, what it loses and locks.

Stands between `gavan migrate` and the plans.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from gavan.cli.render import Style
from gavan.database.forecast.locks import Mode
from gavan.database.forecast.look import Forecast, Held
from gavan.database.migration.large import SINGLE
from gavan.database.migration.losses import losses
from gavan.database.migration.parsed import Direction, Parsed
from gavan.database.migration.split import Statement, place
from gavan.kit.size import in_bytes
from gavan.stack.findings import render

_WIDTH = 72
# Of a large file: its lines are counted from the beginning for each.
_MOST = 200


def plan_data(plan: Sequence[Parsed], seen: Forecast) -> list[dict[str, Any]]:
    """Return the plan for machines."""
    return [
        {
            "direction": str(parsed.direction),
            "version": parsed.file.version,
            "name": parsed.file.name,
            "path": parsed.file.path,
            "phase": parsed.file.phase,
            "transaction": not parsed.is_outside,
            "statement_count": len(parsed.statements),
            "statements": [
                {
                    "line": line,
                    "text": one.text,
                    "loses": losses(one),
                    "locks": [_lock_data(each) for each in held],
                }
                for line, one, held in _listed(parsed, locked)
            ],
            "findings": [
                {
                    "code": one.code,
                    "level": one.level,
                    "where": one.where,
                    "message": one.message,
                    "mend": one.mend,
                }
                for one in seen.findings
                if one.position.file == parsed.file.path
            ],
        }
        for parsed, locked in zip(plan, seen.held, strict=True)
    ]


def plan_text(plan: Sequence[Parsed], style: Style, seen: Forecast) -> str:
    """Return the plan for people; a statement takes one line, what it does to others more."""
    lines = []
    for parsed, locked in zip(plan, seen.held, strict=True):
        how = "no transaction" if parsed.is_outside else "one transaction"
        word = "take back" if parsed.direction is Direction.DOWN else "apply"
        how = f"{parsed.file.phase}, {how}" if parsed.direction is Direction.UP else how
        lines.append(f"{word} {style(parsed.file.path.stem, bold=True)}  {style.faint(how)}")
        for number, statement, held in _listed(parsed, locked):
            lines.append(f"{number:>6}  {_first_words(statement)}")
            lines += [style.bad(f"        loses {what}") for what in losses(statement)]
            lines += [f"        {line}" for line in _lock_lines(held, style)]
        if parsed.large is not None:
            lines.append(f"        {len(parsed.large):,} statements, those with rows not listed")
    parts = ["\n".join(lines)]
    if seen.findings:
        parts.append(render(seen.findings))
    return "\n\n".join(parts)


def _lock_lines(held: Sequence[Held], style: Style) -> Iterator[str]:
    for one in held:
        rows = f"about {one.size.rows:,} rows, {in_bytes(one.size.size_bytes)}"
        anew = "; all rows are written anew" if one.taken.rewrites else ""
        mode = one.taken.mode
        line = f"locks {'.'.join(one.taken.table)} ({rows}): {mode}, {mode.meaning}{anew}"
        yield style.doubt(line) if mode >= Mode.SHARE else style.faint(line)


def _lock_data(held: Held) -> dict[str, Any]:
    return {
        "table": ".".join(held.taken.table),
        "mode": str(held.taken.mode),
        "rewrites": held.taken.rewrites,
        "rows": held.size.rows,
        "bytes": held.size.size_bytes,
    }


def _listed(
    parsed: Parsed, locked: Sequence[Sequence[Held]]
) -> Iterator[tuple[int, Statement, Sequence[Held]]]:
    """Yield the statements that are shown, each with its line; of a large file not its rows."""
    if parsed.large is not None:
        for number in itertools.islice(parsed.large.numbers(SINGLE), _MOST):
            yield parsed.place(number)[0], parsed.large.at(number), ()
        return
    for statement, held in zip(parsed.statements, locked, strict=True):
        if not statement.is_comment:
            yield place(parsed.file.text, statement.first)[0], statement, held


def _first_words(statement: Statement) -> str:
    text = " ".join(statement.text[statement.first - statement.offset :].split())
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."
