"""The filter text of a ``postgres_changes`` entry, parsed into conditions.

Pure grammar: ``column=["not."]op.value``, joined by commas that mean AND. Whether a column exists
and a value fits its type is for Postgres to say (``visibility``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

OPERATORS = frozenset(
    ("eq", "neq", "lt", "lte", "gt", "gte", "in", "like", "ilike", "is", "match", "imatch",
     "isdistinct")
)  # fmt: skip
IS_VALUES = frozenset(("null", "true", "false", "unknown"))
MAX_IN_VALUES = 100


class FilterError(Exception):
    """A filter that does not parse; ``str()`` is what the client reads."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison. For ``in`` the value is a Postgres array literal."""

    column: str
    operator: str
    value: str
    negate: bool = False

    def as_list(self) -> list[object]:
        """Return the form that the SQL functions read."""
        return [self.column, self.operator, self.value, self.negate]


def parse_filter(text: str) -> tuple[Condition, ...]:
    """Return the conditions of a filter; raise FilterError."""
    if not text.strip():
        return ()
    return tuple(_condition(part) for part in _split(text))


def _condition(text: str) -> Condition:
    column, equals, rest = text.partition("=")
    negate = rest.startswith("not.")
    operator, dot, value = rest.removeprefix("not.").partition(".")
    column = column.strip()
    if not column or not equals or not dot or operator not in OPERATORS:
        raise _error(text)
    value = _array(value, text) if operator == "in" else _unquote(value)
    if operator == "is":
        value = value.lower()
        if value not in IS_VALUES:
            raise _error(text)
    return Condition(column, operator, value, negate)


def _array(value: str, text: str) -> str:
    if len(value) < 2 or value[0] != "(" or value[-1] != ")":
        raise _error(text)
    items = list(_pieces(value[1:-1], "("))
    if len(items) > MAX_IN_VALUES:
        raise FilterError(f"`in` filter has more than {MAX_IN_VALUES} values")
    quoted = (re.sub(r'(["\\])', r"\\\1", _unquote(item)) for item in items)
    return "{" + ",".join(f'"{item}"' for item in quoted) + "}"


def _split(text: str) -> Iterator[str]:
    for piece in _pieces(text, ""):
        if not piece.strip():
            raise _error(text)
        yield piece


def _pieces(text: str, before: str) -> Iterator[str]:
    """Split at commas outside parentheses and quotes; a quote opens only after dot, ( or comma."""
    depth = 0
    start = position = 0
    while position < len(text):
        character = text[position]
        if character == '"' and before in (".", "(", ","):
            end = _quote_end(text, position)
            position = position if end is None else end
        elif character == "(":
            depth += 1
        elif character == ")":
            depth = max(depth - 1, 0)
        elif character == "," and depth == 0:
            yield text[start:position]
            start = position + 1
        before = text[position]
        position += 1
    yield text[start:]


def _quote_end(text: str, start: int) -> int | None:
    position = start + 1
    while position < len(text):
        if text[position] == "\\":
            position += 1
        elif text[position] == '"':
            return position
        position += 1
    return None


def _unquote(value: str) -> str:
    if value.startswith('"') and _quote_end(value, 0) == len(value) - 1:
        return re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL)
    return value


def _error(text: str) -> FilterError:
    parts = re.split(r"[=.]", text)
    shown = ", ".join(orjson.dumps(part).decode() for part in parts)
    return FilterError(f"Error parsing `filter` params: [{shown}]")
