"""Which table columns a view shows, read from the text of its rewrite rule.

Postgres keeps, for every column of a query's result, the table column it stands for
(``resorigtbl``, ``resorigcol``), also through subselects, CTEs and joins. Only the outermost
query's list counts; the rest of the tree is stepped over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from sys import intern
from typing import Any

from gavan.core.rest.schema_cache import Name

_TOKEN = re.compile(r'\\.|[{}()]|"(?:[^"\\]|\\.)*"|[^\\{}()"]+', re.DOTALL)
_NUMBER = re.compile(r":(resno|resorigtbl|resorigcol) (\d+)")
LIST_DEPTH = 3
"""The entries stand in ({QUERY ... :targetList ({TARGETENTRY ...})})"""


@dataclass(frozen=True, slots=True)
class Origin:
    """A column of a relation by its catalogue numbers."""

    relation: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewColumns:
    """``origins``: which column of which relation each column of the view shows."""

    oid: int
    name: Name
    columns: Mapping[int, str]
    origins: Mapping[int, Origin]


def view_columns(rows: Iterable[Mapping[str, Any]]) -> tuple[ViewColumns, ...]:
    """Return the columns of each view of the catalogue query ``views``."""
    return tuple(
        ViewColumns(
            oid=row["oid"],
            name=Name(intern(row["schema"]), intern(row["name"])),
            columns={int(number): intern(name) for number, name in (row["columns"] or {}).items()},
            origins=target_origins(row["rule"]),
        )
        for row in rows
    )


def target_origins(rule: str) -> dict[int, Origin]:
    """Return the origin of each result column of a rule's outermost query."""
    start = rule.rfind(":targetList (", 0, _end_of_own_list(rule))
    if start < 0:
        return {}
    found = {}
    for entry in _entries(rule, start + len(":targetList ")):
        numbers = {name: int(value) for name, value in _NUMBER.findall(entry)}
        if numbers.get("resorigtbl"):
            origin = Origin(numbers["resorigtbl"], numbers["resorigcol"])
            found[numbers["resno"]] = origin
    return found


def _end_of_own_list(rule: str) -> int:
    """Return the place right after the outermost query's own ``:targetList (``."""
    depth = 0
    for token in _TOKEN.finditer(rule):
        text = token[0]
        if text in "({" and len(text) == 1:
            depth += 1
            before = rule[max(0, token.start() - 13) : token.start()]
            if depth == LIST_DEPTH and text == "(" and before.endswith(":targetList "):
                return token.end()
        elif text in ")}" and len(text) == 1:
            depth -= 1
    return 0


def _entries(rule: str, start: int) -> list[str]:
    """Return the text of each entry of a list, without what is nested in it."""
    entries: list[str] = []
    depth = 0
    for token in _TOKEN.finditer(rule, start):
        text = token[0]
        if len(text) == 1 and text in "({":
            depth += 1
            if depth == 2:
                entries.append("")
        elif len(text) == 1 and text in ")}":
            depth -= 1
            if depth == 0:
                break
        elif depth == 2:
            entries[-1] += text
    return entries


def shown_columns(
    views: Sequence[ViewColumns], keyed: Sequence[Mapping[str, Any]]
) -> dict[tuple[Name, str], dict[Name, list[str]]]:
    """Return, for each column of a key, the views that show it and its names there.

    Args:
        keyed: rows of the catalogue query ``keyed``.
    """
    by_oid = {view.oid: view for view in views}
    tables = {row["oid"]: row for row in keyed}
    found: dict[tuple[Name, str], dict[Name, list[str]]] = {}
    for view in views:
        for number, origin in sorted(view.origins.items()):
            base = _base(origin, by_oid)
            table = tables.get(base.relation)
            column = table["columns"].get(str(base.column)) if table is not None else None
            if table is not None and column is not None and number in view.columns:
                key = (Name(table["schema"], table["name"]), column)
                found.setdefault(key, {}).setdefault(view.name, []).append(view.columns[number])
    return found


def _base(origin: Origin, views: Mapping[int, ViewColumns]) -> Origin:
    """Follow views of views down to a table; a circle of views ends the walk."""
    seen = set()
    while origin.relation in views and origin not in seen:
        seen.add(origin)
        below = views[origin.relation].origins.get(origin.column)
        if below is None:
            break
        origin = below
    return origin


def view_primary_keys(
    shown: Mapping[tuple[Name, str], Mapping[Name, Sequence[str]]],
    keyed: Sequence[Mapping[str, Any]],
) -> dict[Name, tuple[str, ...]]:
    """Return the primary key columns that views inherit, each under its first name there."""
    keys: dict[Name, tuple[str, ...]] = {}
    for row in keyed:
        columns = [shown.get((Name(row["schema"], row["name"]), c), {}) for c in row["primary_key"]]
        for view in columns[0] if columns else ():
            if all(view in names for names in columns):
                own = tuple(names[view][0] for names in columns)
                keys[view] = keys.get(view, ()) + own
    return keys
