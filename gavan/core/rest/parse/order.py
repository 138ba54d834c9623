"""``order=column.desc.nullslast,relation(column)``."""

from __future__ import annotations

from gavan.core.rest.parse.filters import parse_tree_path
from gavan.core.rest.parse.json_path import parse_field
from gavan.core.rest.parse.model import OrderTerm, Path
from gavan.core.rest.parse.scan import Scanner

WHAT = "order"


def parse_order(key: str, value: str) -> tuple[Path, tuple[OrderTerm, ...]]:
    """Return where the order applies and its terms; raise PGRST100."""
    path, _ = parse_tree_path(key)
    scan = Scanner(value, WHAT)
    terms = [_term(scan)]
    while scan.take(","):
        terms.append(_term(scan))
    if not scan.at_end():
        raise scan.error('"," or end of input', quote="'")
    return path, tuple(terms)


def _term(scan: Scanner) -> OrderTerm:
    scan.blanks()
    field, relation = parse_field(scan), None
    if not field.path and scan.take("("):
        relation, field = field.name, parse_field(scan)
        scan.expect(")")
    direction = _suffix(scan, ("asc", "desc"))
    nulls = _suffix(scan, ("nullsfirst", "nullslast"))
    if scan.peek("."):
        scan.pos += 1
        words = '"nullsfirst" or "nullslast"'
        raise scan.error(words if direction else f'"asc", "desc", {words}')
    scan.blanks()
    return OrderTerm(field, direction, nulls, relation)


def _suffix(scan: Scanner, words: tuple[str, ...]) -> str | None:
    return next((word for word in words if scan.take("." + word)), None)
