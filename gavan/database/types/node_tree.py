"""Read the text in which Postgres keeps a parsed query (pg_node_tree).

Stands under view_rule.py. ``{NAME :field value}`` becomes a mapping of fields, ``(a b)`` a list,
all else stays text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

TOKEN = re.compile(r'[{}()]|"(?:[^"\\]|\\.)*"|(?:\\.|[^\s{}()"\\])+', re.DOTALL)


def parse(text: str) -> Any:
    """Return the first value of the text."""
    return _value(iter(TOKEN.findall(text)), "<>")


def _value(tokens: Iterator[str], default: str) -> Any:
    word = next(tokens, default)
    if word == "(":
        return list(iter(lambda: _value(tokens, ")"), ")"))
    return _node(tokens) if word == "{" else word


def _node(tokens: Iterator[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {"": next(tokens, "")}
    name = ""
    while (value := _value(tokens, "}")) != "}":
        if isinstance(value, str) and value.startswith(":"):
            name = value[1:]
        else:
            # The bytes of a constant follow its length: only the first value counts.
            fields.setdefault(name, value)
    return fields
