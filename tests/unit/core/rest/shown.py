"""Values of the stages as text for the case files: what is as always is left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum

from gavan.core.rest.errors import RestError
from gavan.core.rest.schema_cache import Name
from gavan.database.session import Statement

WIDTH = 96
_BREAKS = re.compile(
    r"(?<! DISTINCT) (?=(?:FROM|LEFT JOIN|INNER JOIN|WHERE|GROUP BY|ORDER BY|LIMIT|RETURNING"
    r"|ON CONFLICT|SET)\b)"
)


def shown(value: object, indent: int = 0) -> str:
    """Return a value on one line, or indented where it does not fit."""
    if isinstance(value, RestError):
        return _error(value)
    if isinstance(value, Statement):
        return _statement(value)
    return _value(value, indent)


def _value(value: object, indent: int) -> str:
    before, parts, after = _parts(value)
    line = before + ", ".join(name + _value(part, 0) for name, part in parts) + after
    if not parts or ("\n" not in line and len(line) + indent <= WIDTH):
        return line
    margin = "\n" + " " * (indent + 2)
    lines = "".join(f"{margin}{name}{_value(part, indent + 2)}" for name, part in parts)
    return f"{before}{lines}\n{' ' * indent}{after}"


def _parts(value: object) -> tuple[str, list[tuple[str, object]], str]:
    if isinstance(value, Enum):
        return str(value.value), [], ""
    if isinstance(value, Name):
        return f"{value.schema}.{value.name}", [], ""
    if is_dataclass(value) and not isinstance(value, type):
        found = [
            (f"{item.name}=", getattr(value, item.name))
            for item in fields(value)
            if getattr(value, item.name) != _default(item)
        ]
        return f"{type(value).__name__}(", found, ")"
    if isinstance(value, tuple | list):
        return "[", [("", item) for item in value], "]"
    if isinstance(value, Mapping):
        return "{", [(f"{_value(key, 0)}: ", item) for key, item in value.items()], "}"
    return repr(value), [], ""


def _default(item: Field[object]) -> object:
    if item.default_factory is not MISSING:
        return item.default_factory()
    return item.default


def _error(error: RestError) -> str:
    lines = [f"{error.status} {error.code} {error.message}"]
    lines += [f"details: {error.wire_details}"] if error.wire_details else []
    return "\n".join(lines + ([f"hint: {error.hint}"] if error.hint else []))


def _statement(statement: Statement) -> str:
    lines = [_BREAKS.sub("\n", statement.text).replace(" \n", "\n")]
    lines += [f"-- ${place}: {_param(value)}" for place, value in enumerate(statement.params, 1)]
    return "\n".join([*lines, *(["-- then", _statement(statement.then)] if statement.then else [])])


def _param(value: bytes | None) -> str:
    return "NULL" if value is None else value.decode()
