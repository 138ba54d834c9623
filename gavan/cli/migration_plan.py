"""How a plan of migrations is shown: every statement with its line, and what it loses.

Stands between `gavan migrate` and the plans.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gavan.cli.render import Style
from gavan.database.migration.losses import losses
from gavan.database.migration.parsed import Direction, Parsed
from gavan.database.migration.split import Statement, place

_WIDTH = 72


def plan_data(plan: Sequence[Parsed]) -> list[dict[str, Any]]:
    """Return the plan for machines."""
    return [
        {
            "direction": str(parsed.direction),
            "version": parsed.file.version,
            "name": parsed.file.name,
            "path": parsed.file.path,
            "transaction": not parsed.is_outside,
            "statements": [
                {"line": _line(parsed, one), "text": one.text, "loses": losses(one)}
                for one in parsed.statements
                if not one.is_comment
            ],
        }
        for parsed in plan
    ]


def plan_text(plan: Sequence[Parsed], style: Style) -> str:
    """Return the plan for people; a statement takes one line, what it loses another."""
    lines = []
    for parsed in plan:
        how = "no transaction" if parsed.is_outside else "one transaction"
        word = "take back" if parsed.direction is Direction.DOWN else "apply"
        lines.append(f"{word} {style(parsed.file.path.stem, bold=True)}  {style.faint(how)}")
        for statement in parsed.statements:
            if not statement.is_comment:
                lines.append(f"{_line(parsed, statement):>6}  {_first_words(statement)}")
                lines += [style.bad(f"        loses {what}") for what in losses(statement)]
    return "\n".join(lines)


def _line(parsed: Parsed, statement: Statement) -> int:
    return place(parsed.file.text, statement.first)[0]


def _first_words(statement: Statement) -> str:
    text = " ".join(statement.text[statement.first - statement.offset :].split())
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."
