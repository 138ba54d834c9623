"""What a view's rewrite rule tells of its columns: where they come from, what a join may empty.

Stands under read.py. ``resorigtbl`` and ``resorigcol`` name the column of a relation that a result
column stands for; ``varnullingrels`` (since Postgres 16) the outer joins that may empty it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gavan.database.types.node_tree import parse

NONE, NO_JOINS = "<>", ["b"]
_OUTER = re.compile(r":jointype [123]\b|:groupingSets \(")

Node = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Origin:
    """A column of a relation by its catalogue numbers; ``is_lost``: a join may leave it null."""

    relation: int
    column: int
    is_lost: bool


def origins(rule: str) -> dict[int, Origin]:
    """Return the origin of each result column that shows one, by its number in the view."""
    tree = parse(rule)
    if not isinstance(tree, list) or not tree:
        return {}
    query = tree[0]
    has_outer = _OUTER.search(rule) is not None
    return {
        int(entry["resno"]): Origin(
            int(entry["resorigtbl"]),
            int(entry["resorigcol"]),
            has_outer and _is_lost(entry["expr"], query),
        )
        for entry in query["targetList"]
        if entry["resorigtbl"] != "0"
    }


def _is_lost(expr: Node | str, query: Node) -> bool:
    """Tell if an outer join or a grouping set may leave null what this column shows."""
    if isinstance(expr, str) or expr[""] != "VAR" or expr["varlevelsup"] != "0":
        return True
    if expr.get("varnullingrels") != NO_JOINS:
        return True
    source, number = query["rtable"][int(expr["varno"]) - 1], int(expr["varattno"])
    match source["rtekind"]:  # numbers of RTEKind
        case "0":  # a relation
            return False
        case "1":  # a subquery
            return _is_result_lost(source["subquery"], number)
        case "2":  # a join
            return _is_lost(source["joinaliasvars"][number - 1], query)
        case "9" if query["groupingSets"] == NONE:  # GROUP BY
            return _is_lost(source["groupexprs"][number - 1], query)
        case "6" if source["ctelevelsup"] == "0":  # a common table expression
            tables = [t for t in query["cteList"] if t["ctename"] == source["ctename"]]
            return not tables or _is_result_lost(tables[0]["ctequery"], number)
    return True


def _is_result_lost(query: Node, number: int) -> bool:
    if query["setOperations"] != NONE:
        return True
    return any(
        _is_lost(entry["expr"], query)
        for entry in query["targetList"]
        if entry["resno"] == str(number)
    )
