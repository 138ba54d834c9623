"""Pieces of SQL that every statement is made of: columns, tests, orders, parameters."""

from __future__ import annotations

from collections.abc import Sequence

from gavan.core.rest.parse.filters import TEXT_SEARCH
from gavan.core.rest.parse.model import JsonStep, Predicate
from gavan.core.rest.plan.model import Group, NullEmbed, Ref, Sort, Test, Where
from gavan.core.rest.schema_cache import Name
from gavan.database.identifier import quote_identifier
from gavan.database.session import Statement

OPERATORS = {
    "eq": "=",
    "neq": "<>",
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
    "like": "LIKE",
    "ilike": "ILIKE",
    "match": "~",
    "imatch": "~*",
    "isdistinct": "IS DISTINCT FROM",
    "cs": "@>",
    "cd": "<@",
    "ov": "&&",
    "sl": "<<",
    "sr": ">>",
    "nxr": "&<",
    "nxl": "&>",
    "adj": "-|-",
}
TEXT_QUERIES = {
    "fts": "to_tsquery",
    "plfts": "plainto_tsquery",
    "phfts": "phraseto_tsquery",
    "wfts": "websearch_to_tsquery",
}
PATTERNS = frozenset({"like", "ilike"})
DIRECTIONS = {"asc": " ASC", "desc": " DESC"}
NULLS = {"nullsfirst": " NULLS FIRST", "nullslast": " NULLS LAST"}


class Params:
    """The values of one statement, in the order of their ``$n``."""

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: list[bytes | None] = []

    def bind(self, value: str | bytes | None) -> str:
        """Keep a value and return its placeholder; its type is left to Postgres."""
        if isinstance(value, str):
            value = value.encode("utf-8", "replace")
        self.values.append(value)
        return f"${len(self.values)}"

    def statement(self, text: str, then: Statement | None = None) -> Statement:
        """Return the finished statement."""
        return Statement(text=text, params=tuple(self.values), then=then)


def qualified(name: Name) -> str:
    """Return ``"schema"."name"``."""
    return f"{quote_identifier(name.schema)}.{quote_identifier(name.name)}"


def column(alias: str, name: str) -> str:
    """Return ``"alias"."name"``; the name ``*`` is every column."""
    return f"{quote_identifier(alias)}.{'*' if name == '*' else quote_identifier(name)}"


def reference(alias: str, ref: Ref, params: Params) -> str:
    """Return a column with its JSON path."""
    written = column(alias, ref.name)
    if not ref.path:
        return written
    if ref.to_json:
        written = f"to_jsonb({written})"
    return written + "".join(_step(step, params) for step in ref.path)


def _step(step: JsonStep, params: Params) -> str:
    arrow = "->>" if step.as_text else "->"
    if isinstance(step.key, int):
        return f"{arrow}{params.bind(str(step.key))}::int"
    return arrow + params.bind(step.key)


def where_clause(parts: Sequence[str]) -> str:
    """Return `` WHERE ...`` of all parts, or nothing."""
    return f" WHERE {' AND '.join(parts)}" if parts else ""


def condition(alias: str, where: Where, params: Params) -> str:
    """Return one condition on the columns of ``alias``."""
    if isinstance(where, Test):
        return _test(alias, where, params)
    if isinstance(where, NullEmbed):
        distinct = "IS DISTINCT FROM" if where.negated else "IS NOT DISTINCT FROM"
        return f"{quote_identifier(where.join)} {distinct} NULL"
    return group(where, [condition(alias, child, params) for child in where.children])


def group(where: Group, written: Sequence[str]) -> str:
    """Return the children of a group joined by its operator."""
    inner = f" {where.op.upper()} ".join(written)
    return f"NOT ({inner})" if where.negated else f"({inner})"


def _test(alias: str, test: Test, params: Params) -> str:
    predicate = test.predicate
    left = reference(alias, test.ref, params)
    if predicate.op in TEXT_SEARCH:
        written = _text_search(left, test, params)
    else:
        written = f"{left} {_right_side(predicate, params, test.read_by)}"
    return f"NOT ({written})" if predicate.negated else written


def _right_side(predicate: Predicate, params: Params, read_by: Name | None) -> str:
    op = predicate.op
    if op == "is":
        return f"IS {predicate.value}"
    if op == "in":
        # One array parameter: the text of the statement does not depend on the list's length.
        values = () if predicate.values == ("",) else predicate.values
        return f"= ANY ({_read_each(params.bind(array_literal(values)), read_by)})"
    value = predicate.value.replace("*", "%") if op in PATTERNS else predicate.value
    placeholder = params.bind(value)
    if predicate.option is not None:
        placeholder = f"{predicate.option.upper()} ({_read_each(placeholder, read_by)})"
    elif read_by is not None:
        placeholder = f"{qualified(read_by)}({placeholder}::text)"
    return f"{OPERATORS[op]} {placeholder}"


def _read_each(array: str, read_by: Name | None) -> str:
    """Return an array of texts, each read by a function if there is one."""
    if read_by is None:
        return array
    return f"SELECT {qualified(read_by)}(item) FROM unnest({array}::text[]) AS item"


def _text_search(left: str, test: Test, params: Params) -> str:
    predicate = test.predicate
    language = ""
    if predicate.option is not None:
        language = f"{params.bind(predicate.option)}::regconfig, "
    if test.ref.to_tsvector:
        left = f"to_tsvector({language}{left})"
    return f"{left} @@ {TEXT_QUERIES[predicate.op]}({language}{params.bind(predicate.value)})"


def array_literal(values: Sequence[str]) -> str:
    """Return a Postgres array literal of texts."""
    escaped = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in escaped) + "}"


def order_clause(alias: str, sorts: Sequence[Sort], params: Params) -> str:
    """Return `` ORDER BY ...``, or nothing."""
    if not sorts:
        return ""
    terms = [
        reference(sort.join or alias, sort.ref, params)
        + DIRECTIONS.get(sort.direction or "", "")
        + NULLS.get(sort.nulls or "", "")
        for sort in sorts
    ]
    return f" ORDER BY {', '.join(terms)}"


def range_clause(limit: int | None, offset: int, params: Params) -> str:
    """Return `` LIMIT $1 OFFSET $2`` as far as needed."""
    written = f" LIMIT {params.bind(str(limit))}" if limit is not None else ""
    return written + (f" OFFSET {params.bind(str(offset))}" if offset else "")
