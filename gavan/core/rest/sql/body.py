"""Rows out of a JSON body: typed by the table, read by Postgres."""

from __future__ import annotations

from gavan.core.rest.plan.model import BodyRows, Target
from gavan.core.rest.sql.fragments import Params, qualified
from gavan.database.identifier import quote_identifier, quote_literal

ALIAS = "pgrst_body"


def body_rows(body: BodyRows, params: Params, *, first_only: bool = False) -> str:
    """Return a FROM item of typed rows, aliased ALIAS.

    Args:
        first_only: only the first element of an array counts.
    """
    if not body.targets and not body.is_array:
        return f"(VALUES (1)) AS {ALIAS}"
    json, prefix = f"{params.bind(body.raw)}::json", "json"
    is_array = body.is_array
    if body.apply_defaults:
        json, prefix = _with_defaults(body, json, is_array=is_array), "jsonb"
    if not body.targets:
        rows = f"{prefix}_array_elements({json})" if is_array else f"(SELECT {json})"
        return f"{rows} AS {ALIAS}"
    columns = ", ".join(f"{quote_identifier(item.name)} {item.type}" for item in body.targets)
    function = f"{prefix}_to_recordset" if is_array else f"{prefix}_to_record"
    rows = f"{function}({json}) AS {ALIAS}({columns})"
    first = " LIMIT 1" if is_array and first_only else ""
    if first or any(item.read_by is not None for item in body.targets):
        rows = f"(SELECT {', '.join(map(_read, body.targets))} FROM {rows}{first}) AS {ALIAS}"
    return rows


def _read(item: Target) -> str:
    name = quote_identifier(item.name)
    return f"{qualified(item.read_by)}({name}) AS {name}" if item.read_by is not None else name


def _with_defaults(body: BodyRows, json: str, *, is_array: bool) -> str:
    """Return the body with absent keys filled in; the defaults are the table's own SQL."""
    pairs = ", ".join(
        f"{quote_literal(item.name)}, {item.default}"
        for item in body.targets
        if item.default is not None
    )
    defaults = f"jsonb_build_object({pairs})"
    if not is_array:
        return f"({defaults} || {json}::jsonb)"
    elements = f"jsonb_array_elements({json}::jsonb) WITH ORDINALITY AS item(value, place)"
    return f"(SELECT jsonb_agg({defaults} || item.value ORDER BY item.place) FROM {elements})"
