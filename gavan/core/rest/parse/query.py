"""The query string whole: split, decoded and handed to the grammar of each parameter.

The order of parsing is part of the contract: it decides which error a doubly wrong request gets.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_plus

from gavan.core.rest.errors import parse_error
from gavan.core.rest.parse.filters import parse_filter, parse_filter_or_argument, parse_tree_path
from gavan.core.rest.parse.logic import parse_logic
from gavan.core.rest.parse.model import Filter, Path, QueryParams, RowRange
from gavan.core.rest.parse.order import parse_order
from gavan.core.rest.parse.scan import Scanner
from gavan.core.rest.parse.select import parse_select

MAX_PARAMETERS = 1000
MAX_LENGTH = 65_536
"""Bytes of the query string: clients warn from 8000, uvicorn refuses beyond this."""
ROOT_ONLY = frozenset({"select", "columns", "on_conflict"})
EMBEDDABLE = frozenset({"order", "limit", "offset", "and", "or"})
MAX_BIGINT = 2**63 - 1

_INTEGER = re.compile(r"\s*-?\d+\s*")

Pair = tuple[str, str]


def parse_query(raw: bytes, *, is_call_read: bool = False) -> QueryParams:
    """Return what the query string says; raise PGRST100 at its first fault.

    Args:
        raw: percent-encoded bytes without the question mark.
        is_call_read: a GET on a function, where plain values are arguments.
    """
    if not raw:
        return QueryParams()
    pairs = split_query(raw)
    groups: dict[str, list[Pair]] = {}
    root: dict[str, str] = {}
    for key, value in pairs:
        if value is None:
            continue
        last = key[key.rfind(".") + 1 :]
        if last in EMBEDDABLE:
            groups.setdefault("or" if last == "and" else last, []).append((key, value))
        elif key in ROOT_ONLY:
            root.setdefault(key, value)
        else:
            groups.setdefault("filter", []).append((key, value))
    order = tuple(parse_order(key, value) for key, value in groups.get("order", ()))
    logic = tuple(parse_logic(key, value) for key, value in groups.get("or", ()))
    columns = _names(root, "columns", "columns parameter")
    select = parse_select(root["select"]) if "select" in root else None
    filters, arguments = _filters(groups.get("filter", []), is_call_read)
    on_conflict = _names(root, "on_conflict", "on_conflict parameter")
    return QueryParams(
        filters=filters,
        logic=logic,
        order=order,
        ranges=_ranges(groups.get("limit", []), groups.get("offset", [])),
        columns=tuple(sorted(set(columns))) if columns is not None else None,
        on_conflict=on_conflict,
        arguments=arguments,
        canonical=_canonical(pairs),
        **({} if select is None else {"select": select}),
    )


def split_query(raw: bytes) -> list[tuple[str, str | None]]:
    """Return the decoded pairs in order; a key without ``=`` has the value None."""
    if len(raw) > MAX_LENGTH:
        raise parse_error("query", "...", MAX_LENGTH, f"longer than {MAX_LENGTH} bytes")
    pairs: list[tuple[str, str | None]] = []
    for part in raw.decode("latin-1").split("&"):
        if part:
            key, equals, value = part.partition("=")
            pairs.append((decode_part(key), decode_part(value) if equals else None))
    if len(pairs) > MAX_PARAMETERS:
        raise parse_error("query", "...", 1, f"more than {MAX_PARAMETERS} parameters")
    return pairs


def decode_part(text: str) -> str:
    """Return a key or a value, or a piece of one, percent-decoded; bytes come as latin-1."""
    if text.isascii():
        return unquote_plus(text) if "%" in text or "+" in text else text
    return unquote_plus(text.encode("latin-1").decode("utf-8", "replace"))


def _canonical(pairs: list[tuple[str, str | None]]) -> str:
    # A repeated key stands once, its values joined by commas: the library upstream uses does so.
    values: dict[str, str] = {}
    for key, value in pairs:
        shown = quote(value or "", safe="")
        values[key] = f"{values[key]},{shown}" if key in values else shown
    return "&".join(f"{quote(key, safe='')}={values[key]}" for key in sorted(values))


def _names(root: dict[str, str], key: str, what: str) -> tuple[str, ...] | None:
    if key not in root:
        return None
    scan = Scanner(root[key], what)
    names = [scan.name()]
    scan.blanks()
    while scan.take(","):
        scan.blanks()
        names.append(scan.name())
        scan.blanks()
    return tuple(names)


def _filters(
    pairs: list[Pair], is_call_read: bool
) -> tuple[tuple[tuple[Path, Filter], ...], tuple[Pair, ...]]:
    if not is_call_read:
        return tuple(parse_filter(key, value) for key, value in pairs), ()
    filters: list[tuple[Path, Filter]] = []
    arguments: list[Pair] = []
    for key, value in pairs:
        place, what = parse_filter_or_argument(key, value)
        if isinstance(what, Filter) and isinstance(place, tuple):
            filters.append((place, what))
        elif isinstance(what, str) and isinstance(place, str):
            arguments.append((place, what))
    return tuple(filters), tuple(arguments)


def _ranges(limits: list[Pair], offsets: list[Pair]) -> dict[Path, RowRange]:
    ranges = {path: RowRange(value, 0) for path, value in _numbers(limits)}
    for path, value in _numbers(offsets):
        limit = ranges[path].limit if path in ranges else None
        if limit is None and path in ranges:
            # Beside an offset a limit that is no number is none at all: upstream adds it up.
            limit = 0 if path else -1
        ranges[path] = RowRange(limit, max(value or 0, 0))
    return ranges


def _numbers(pairs: list[Pair]) -> list[tuple[Path, int | None]]:
    """Return the numbers by path; None for what is no number."""
    found: list[tuple[Path, int | None]] = []
    for key, value in pairs:
        path = () if "." not in key else parse_tree_path(key)[0]
        is_number = _INTEGER.fullmatch(value) and len(value) <= 40
        found.append((path, min(int(value), MAX_BIGINT) if is_number else None))
    return found
