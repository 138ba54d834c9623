"""``select=``: plain fields, embeds and spreads, nested."""

from __future__ import annotations

from gavan.core.rest.errors import parse_error
from gavan.core.rest.parse.json_path import parse_path
from gavan.core.rest.parse.model import Field, SelectEmbed, SelectField, SelectItem
from gavan.core.rest.parse.scan import Scanner

WHAT = "select parameter"
AGGREGATES = ("sum", "avg", "count", "max", "min")
MAX_DEPTH = 20
"""Embeds inside embeds: beyond any use, before Python's or Postgres's stack."""


def parse_select(text: str) -> tuple[SelectItem, ...]:
    """Return the items of ``select``; empty means all columns. Raise PGRST100."""
    scan = Scanner(text, WHAT)
    items = _items(scan, 0)
    # What follows the last item does not count, like upstream; a field looks after its own end.
    return items or (SelectField(Field("*")),)


def _items(scan: Scanner, depth: int) -> tuple[SelectItem, ...]:
    if depth > MAX_DEPTH:
        raise parse_error(
            WHAT, scan.text, scan.pos + 1, f"more than {MAX_DEPTH} embeds inside one another"
        )
    scan.blanks()
    if scan.at_end() or scan.peek(")"):
        return ()
    items = [_item(scan, depth)]
    while scan.take(","):
        items.append(_item(scan, depth))
    return tuple(items)


def _item(scan: Scanner, depth: int) -> SelectItem:
    scan.blanks()
    item = _spread(scan, depth) if scan.take("...") else _field_or_embed(scan, depth)
    scan.blanks()
    return item


def _spread(scan: Scanner, depth: int) -> SelectEmbed:
    target = scan.name()
    hint, inner = _params(scan)
    return SelectEmbed(target, _nested(scan, depth), hint=hint, inner=inner, spread=True)


def _field_or_embed(scan: Scanner, depth: int) -> SelectItem:
    if scan.take("*"):
        _end(scan)
        return SelectField(Field("*"))
    alias, name = None, scan.name()
    if scan.peek(":") and not scan.peek("::"):
        scan.pos += 1
        alias, name = name, scan.name()
    if name == "count" and scan.take("()"):
        cast = scan.identifier() if scan.take("::") else None
        _end(scan)
        return SelectField(Field("*"), alias, aggregate="count", aggregate_cast=cast)
    if scan.peek("!") or (scan.peek("(") and name != "count"):
        hint, inner = _params(scan)
        return SelectEmbed(name, _nested(scan, depth), alias=alias, hint=hint, inner=inner)
    return _field(scan, name, alias)


def _field(scan: Scanner, name: str, alias: str | None) -> SelectField:
    path = parse_path(scan)
    cast = scan.identifier() if scan.take("::") else None
    aggregate = aggregate_cast = None
    if scan.take("."):
        aggregate = next((word for word in AGGREGATES if scan.take(word)), None)
        if aggregate is None:
            raise scan.error('"sum", "avg", "count", "max" or "min"')
        scan.expect("()")
        aggregate_cast = scan.identifier() if scan.take("::") else None
    _end(scan)
    return SelectField(Field(name, path), alias, cast, aggregate, aggregate_cast)


def _params(scan: Scanner) -> tuple[str | None, bool]:
    hint, inner = None, None
    for _ in range(2):
        if not scan.take("!"):
            break
        if scan.take("left"):
            inner = False if inner is None else inner
        elif scan.take("inner"):
            inner = True if inner is None else inner
        else:
            name = scan.name()
            hint = name if hint is None else hint
    return hint, bool(inner)


def _nested(scan: Scanner, depth: int) -> tuple[SelectItem, ...]:
    scan.expect("(")
    items = _items(scan, depth + 1)
    scan.expect(")")
    return items


def _end(scan: Scanner) -> None:
    scan.blanks()
    if not (scan.at_end() or scan.peek(",") or scan.peek(")")):
        raise scan.error('"->>", "->", "::", ".", ")", "," or end of input', quote="'")
