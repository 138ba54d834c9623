"""``column=[not.]op[(option)].value``: the 24 operators, lists and the key they stand under."""

from __future__ import annotations

import re

from gavan.core.rest.errors import RestError, parse_error
from gavan.core.rest.parse.json_path import parse_path
from gavan.core.rest.parse.model import Field, Filter, Path, Predicate
from gavan.core.rest.parse.scan import Scanner

WHAT = "filter"
SIMPLE = frozenset({"neq", "cs", "cd", "ov", "sl", "sr", "nxr", "nxl", "adj", "isdistinct"})
QUANTIFIED = frozenset({"eq", "gte", "gt", "lte", "lt", "like", "ilike", "match", "imatch"})
TEXT_SEARCH = frozenset({"fts", "plfts", "phfts", "wfts"})
EXPECTED = '"not" or operator (eq, gt, ...)'

_OPERATOR = re.compile(r"([a-z]+)(?:\(([\w $]+)\))?\.")
_IS = re.compile(r"null|not_null|true|false|unknown", re.IGNORECASE)
_UNQUOTED = re.compile(r"[^,)]*")


def parse_filter(path_key: str, value: str) -> tuple[Path, Filter]:
    """Return where the filter applies and the filter; raise PGRST100."""
    path, field = parse_tree_path(path_key)
    return path, Filter(field, parse_predicate(value))


def parse_filter_or_argument(key: str, value: str) -> tuple[Path, Filter] | tuple[str, str]:
    """Return a filter, or (name, value) if the value is no operator expression.

    Values that begin like an operator with a fixed right side and then fail are an error.
    """
    path, field = parse_tree_path(key)
    try:
        return path, Filter(field, parse_predicate(value))
    except RestError:
        if value.startswith(("not.", "in.", "is.")):
            raise
        return field.name, value


def parse_tree_path(key: str) -> tuple[Path, Field]:
    """Return the embeds and the field of ``embed.path.column->json``; raise PGRST100."""
    scan = Scanner(key, "tree path")
    names = [scan.name()]
    while scan.take("."):
        names.append(scan.name())
    return tuple(names[:-1]), Field(names[-1], parse_path(scan))


def parse_predicate(value: str) -> Predicate:
    """Return the predicate of a whole parameter value; raise PGRST100."""
    scan = Scanner(value, WHAT)
    negated, op, option = parse_operator(scan)
    if op == "in":
        return Predicate(op, "", negated, None, parse_list(scan))
    if op == "is":
        return Predicate(op, parse_is(scan), negated)
    return Predicate(op, value[scan.pos :], negated, option)


def parse_operator(scan: Scanner) -> tuple[bool, str, str | None]:
    """Return (negated, operator, option) and step over them; raise PGRST100."""
    start = scan.pos
    negated = scan.take("not.")
    found = scan.match(_OPERATOR)
    if found is None or not _fits(found[1], found[2]):
        raise _operator_error(scan, start, negated)
    option = found[2]
    return negated, found[1], option.strip() if option is not None else None


def _fits(op: str, option: str | None) -> bool:
    if op in QUANTIFIED:
        return option in (None, "any", "all")
    if op in TEXT_SEARCH:
        return True
    return option is None and (op in SIMPLE or op in {"in", "is"})


def _operator_error(scan: Scanner, start: int, negated: bool) -> RestError:
    if negated:
        return scan.error("operator (eq, gt, ...)", start + len("not."))
    # Upstream's parser reports the first character that departs from "not".
    rest = scan.text[start:]
    shared = next((n for n, (a, b) in enumerate(zip(rest, "not.", strict=False)) if a != b), 0)
    found = f'"{rest[shared]}"' if rest else "end of input"
    details = f"unexpected {found} expecting {EXPECTED}"
    return parse_error(scan.what, scan.shown, start + 1, details)


def parse_is(scan: Scanner) -> str:
    """Return the SQL words of an ``is`` value: a closed list, never a parameter."""
    found = scan.match(_IS)
    if found is None:
        raise scan.error("isVal: (null, not_null, true, false, unknown)")
    return found[0].upper().replace("_", " ")


def parse_list(scan: Scanner) -> tuple[str, ...]:
    """Return the elements of ``(a,"b,c")``; what follows the list is ignored."""
    scan.blanks()
    scan.expect("(")
    scan.blanks()
    values = [parse_element(scan)]
    while scan.take(","):
        values.append(parse_element(scan))
    scan.expect(")")
    scan.blanks()
    return tuple(values)


def parse_element(scan: Scanner) -> str:
    """Return a quoted element if the quote closes right before , or ), else the raw text."""
    start = scan.pos
    if scan.peek('"'):
        quoted = scan.quoted()
        if quoted is not None and (scan.at_end() or scan.peek(",") or scan.peek(")")):
            return quoted
        scan.pos = start
    found = scan.match(_UNQUOTED)
    return found[0] if found else ""
