"""The functions a template may call, by Go's names; pure."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from gavan.core.auth.mail.template.nodes import TemplateError

_VERB = re.compile(r"%(?:%|[-+# 0]*\d*(?:\.\d+)?[a-zA-Z])")


class Escaped(str):
    """A text that its template has escaped for HTML already."""

    __slots__ = ()


class Quoted(str):
    """A text that its template has escaped for the query of an address already."""

    __slots__ = ()


def is_true(value: object) -> bool:
    """Return what ``if`` makes of a value: nothing, zero and empty are false."""
    return bool(value)


def show(value: object) -> str:
    """Return a value as it is printed; what is not there prints as nothing."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case Mapping() | list() | tuple():
            return json.dumps(value, ensure_ascii=False, default=str)
        case float() if value.is_integer() and abs(value) < 1e21:
            return str(int(value))
        case _:
            return str(value)


def field(value: object, name: str) -> object:
    """Return a field of a mapping; of anything else, and when it is absent, nothing."""
    return value.get(name) if isinstance(value, Mapping) else None


def _index(value: object, *keys: object) -> object:
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, Sequence) and isinstance(key, int) and 0 <= key < len(value):
            value = value[key]
        else:
            return None
    return value


def _length(value: object) -> int:
    if isinstance(value, Mapping | Sequence):
        return len(value)
    raise TemplateError("len is of a text, a list or a mapping")


def _equal(first: object, *others: object) -> bool:
    return any(type(first) is type(other) and first == other for other in others)


def _compare(holds: Callable[[Any, Any], bool]) -> Callable[[object, object], bool]:
    def compare(left: object, right: object) -> bool:
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if not numbers and not (isinstance(left, str) and isinstance(right, str)):
            raise TemplateError("only two numbers or two texts can be compared")
        return holds(left, right)

    return compare


def _print(*values: object) -> str:
    return "".join(show(value) for value in values)


def _printf(pattern: object, *values: object) -> str:
    left = list(values)

    def fill(match: re.Match[str]) -> str:
        verb = match.group()
        if verb == "%%":
            return "%"
        value = left.pop(0) if left else None
        if verb[-1] == "q":
            return json.dumps(show(value), ensure_ascii=False)
        if verb[-1] in "df" and isinstance(value, int | float):
            return str(verb % value)
        return show(value)

    return _VERB.sub(fill, show(pattern))


FUNCTIONS: dict[str, Callable[..., object]] = {
    "eq": _equal,
    "ne": lambda left, right: not _equal(left, right),
    "lt": _compare(lambda left, right: left < right),
    "le": _compare(lambda left, right: left <= right),
    "gt": _compare(lambda left, right: left > right),
    "ge": _compare(lambda left, right: left >= right),
    "not": lambda value: not is_true(value),
    "len": _length,
    "index": _index,
    "print": _print,
    "println": lambda *values: " ".join(show(value) for value in values) + "\n",
    "printf": _printf,
    "html": lambda *values: Escaped(html.escape(_print(*values))),
    "urlquery": lambda *values: Quoted(quote(_print(*values), safe="")),
}
