"""What a view's rewrite rule tells of its columns: where they come from, what a join may empty.

Stands under read.py. Postgres prints the rule as a tree of ``{NODE :field value}`` and ``(lists)``;
``resorigtbl`` and ``resorigcol`` name the column of a relation that a result column stands for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(r'[{}()]|"(?:[^"\\]|\\.)*"|(?:\\.|[^\s{}()"\\])+', re.DOTALL)
_OUTER_JOIN = re.compile(r":jointype [123]\b")
_GROUPING_SETS = re.compile(r":groupingSets \(")
LIST_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Origin:
    """A column of a relation by its catalogue numbers; ``is_lost``: a join may leave it null."""

    relation: int
    column: int
    is_lost: bool


def origins(rule: str) -> dict[int, Origin]:
    """Return the origin of each result column that shows one, by its number in the view."""
    query = _top_query(rule)
    has_outer = bool(_OUTER_JOIN.search(rule) or _GROUPING_SETS.search(rule))
    # Below a subquery or a common table expression an outer join hides from the top's columns.
    is_nested = rule.count("{QUERY ") > 1 or ":groupClause (" in rule
    found = {}
    for entry in _entries(query):
        numbers = {
            name: int(value)
            for name, value in re.findall(r":(resno|resorigtbl|resorigcol) (\d+)", entry)
        }
        if not numbers.get("resorigtbl"):
            continue
        is_kept = not has_outer or (not is_nested and ":varnullingrels (b)" in entry)
        found[numbers["resno"]] = Origin(numbers["resorigtbl"], numbers["resorigcol"], not is_kept)
    return found


def _top_query(rule: str) -> str:
    """Return the list of result columns of the outermost query: ({QUERY ... :targetList (...)})."""
    depth, start = 0, -1
    for token in _TOKEN.finditer(rule):
        if token[0] in ("{", "("):
            depth += 1
            before = rule[max(0, token.start() - 13) : token.start()]
            if depth == LIST_DEPTH and before.endswith(":targetList "):
                start = token.start()
        elif token[0] in ("}", ")"):
            if depth == LIST_DEPTH and start >= 0:
                return rule[start : token.end()]
            depth -= 1
    return ""


def _entries(targets: str) -> list[str]:
    depth, start, found = 0, 0, []
    for token in _TOKEN.finditer(targets):
        if token[0] in ("{", "("):
            depth += 1
            if depth == 2:
                start = token.start()
        elif token[0] in ("}", ")"):
            if depth == 2:
                found.append(targets[start : token.end()])
            depth -= 1
    return found
