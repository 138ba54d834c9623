"""``and=(...)``, ``or=(...)``, ``not.and=(...)``: trees of filters."""

from __future__ import annotations

import re

from gavan.core.rest.errors import parse_error
from gavan.core.rest.parse.filters import (
    parse_element,
    parse_is,
    parse_list,
    parse_operator,
)
from gavan.core.rest.parse.json_path import parse_field
from gavan.core.rest.parse.model import Condition, Filter, Logic, Path, Predicate
from gavan.core.rest.parse.scan import Scanner

WHAT = "logic tree"
MAX_DEPTH = 50

_GROUP = re.compile(r"(not\.)?(and|or)(?=[ \t]*\()")
_PG_ARRAY = re.compile(r"\{[^{}]*\}")
_NODE = "field name (* or [a..z0..9_$]), negation operator (not) or logic operator (and, or)"


def parse_logic(key: str, value: str) -> tuple[Path, Condition]:
    """Return where the tree applies and the tree; raise PGRST100."""
    path, operator = _logic_path(key)
    # The operator stands before the value so that one grammar serves the top and the nested level.
    scan = Scanner(operator + value, WHAT, value)
    return path, _node(scan, 0)


def _logic_path(key: str) -> tuple[Path, str]:
    scan = Scanner(key, "logic path")
    names = [scan.name()]
    while scan.take("."):
        names.append(scan.name())
    operator = names[-1]
    path = tuple(name for name in names[:-1] if name != "not")
    return path, f"not.{operator}" if "not" in names else operator


def _node(scan: Scanner, depth: int) -> Condition:
    if depth > MAX_DEPTH:
        raise parse_error(
            WHAT, scan.shown, scan.pos + 1, f"more than {MAX_DEPTH} trees in one another"
        )
    group = scan.match(_GROUP)
    if group is None:
        return _filter(scan)
    scan.blanks()
    scan.expect("(")
    scan.blanks()
    children = [_node(scan, depth + 1)]
    scan.blanks()
    while scan.take(","):
        scan.blanks()
        children.append(_node(scan, depth + 1))
        scan.blanks()
    scan.expect(")")
    scan.blanks()
    return Logic(group[2], tuple(children), negated=group[1] is not None)


def _filter(scan: Scanner) -> Filter:
    if scan.at_end() or scan.peek(")") or scan.peek("("):
        raise scan.error(_NODE)
    field = parse_field(scan)
    if not scan.take("."):
        raise scan.error('"->>", "->" or delimiter (.)')
    negated, op, option = parse_operator(scan)
    if op == "in":
        return Filter(field, Predicate(op, "", negated, None, parse_list(scan)))
    if op == "is":
        return Filter(field, Predicate(op, parse_is(scan), negated))
    return Filter(field, Predicate(op, _value(scan), negated, option))


def _value(scan: Scanner) -> str:
    array = scan.match(_PG_ARRAY)
    return array[0] if array is not None else parse_element(scan)
