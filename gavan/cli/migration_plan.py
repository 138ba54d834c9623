"""How a plan of migrations is shown: every statement with its line, what it loses and locks.

Stands between `gavan migrate` and the plans.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gavan.cli.render import Style
from gavan.database.forecast.locks import Mode
from gavan.database.forecast.look import Forecast, Held
from gavan.database.migration.losses import losses
from gavan.database.migration.parsed import Direction, Parsed
from gavan.database.migration.split import Statement, place
from gavan.kit.size import in_bytes
from gavan.stack.findings import render

_WIDTH = 72


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
            "statements": [
                {
                    "line": _line(parsed, one),
                    "text": one.text,
                    "loses": losses(one),
                    "locks": [_lock_data(each) for each in held],
                }
                for one, held in zip(parsed.statements, locked, strict=True)
                if not one.is_comment
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
        for statement, held in zip(parsed.statements, locked, strict=True):
            if not statement.is_comment:
                lines.append(f"{_line(parsed, statement):>6}  {_first_words(statement)}")
                lines += [style.bad(f"        loses {what}") for what in losses(statement)]
                lines += [f"        {line}" for line in _lock_lines(held, style)]
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


def _line(parsed: Parsed, statement: Statement) -> int:
    return place(parsed.file.text, statement.first)[0]


def _first_words(statement: Statement) -> str:
    text = " ".join(statement.text[statement.first - statement.offset :].split())
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."
