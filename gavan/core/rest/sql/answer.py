"""The outer SELECT of every statement: totals, the body as JSON, what the database overrides."""

from __future__ import annotations

from gavan.core.rest.plan.model import SCALAR, Body, Explain, Format
from gavan.core.rest.schema_cache import Name
from gavan.core.rest.sql.fragments import qualified

ROWS = "pgrst_rows"
COLUMNS = ("total", "page", "body", "headers", "status", "inserted", "location")
"""Columns of every answer, in this order"""
_OVERRIDES = (
    "nullif(current_setting('response.headers', true), ''),"
    " nullif(current_setting('response.status', true), '')"
)
_NOTHING = "NULL::text"
PAGE = f"count({ROWS})"
# PostGIS's function is found on the search path of the request; without it Postgres says so.
_GEOJSON = (
    "json_build_object('type', 'FeatureCollection', 'features',"
    f" COALESCE(json_agg(ST_AsGeoJSON({ROWS})::json), '[]'))"
)
NO_BODY = "''::text"


def answer(
    inner: str,
    body: str,
    *,
    total: str = "NULL::bigint",
    page: str = PAGE,
    extras: str = f"{_NOTHING}, {_NOTHING}",
) -> str:
    """Return the SELECT over ``inner`` that yields COLUMNS in one row."""
    return f"SELECT {total}, {page}, {body}, {_OVERRIDES}, {extras} FROM ({inner}) AS {ROWS}"


def body_of(wanted: Format, *, scalar: bool = False, single: bool = False) -> str:
    """Return the expression of the body.

    Args:
        scalar: rows have the one column of a scalar function.
        single: the function returns one value, shown without an array.
    """
    if wanted.body is Body.CSV:
        return _csv()
    item = f"{ROWS}.{SCALAR}" if scalar else ROWS
    if wanted.aggregate is not None:
        return _aggregated(wanted, wanted.aggregate, item, scalar=scalar)
    if wanted.body is Body.GEOJSON:
        return _GEOJSON
    if wanted.body is Body.TEXT:
        return f"COALESCE((array_agg({item}::text))[1], '')"
    if wanted.body is Body.BYTES:
        return f"COALESCE(encode((array_agg({item}::bytea))[1], 'hex'), '')"
    rows = f"json_agg({item})"
    one = single or wanted.body is Body.OBJECT
    if one:
        rows = f"{rows}->0"
    if wanted.strip_nulls:
        rows = f"json_strip_nulls({rows})"
    return f"COALESCE({rows}, '{'null' if one else '[]'}')"


def _aggregated(wanted: Format, aggregate: Name, item: str, *, scalar: bool) -> str:
    if wanted.row_type is not None and not scalar:
        item = f"{item}::{qualified(wanted.row_type)}"
    made = f"{qualified(aggregate)}({item})"
    made = f"encode({made}::bytea, 'hex')" if wanted.body is Body.BYTES else f"{made}::text"
    return f"COALESCE({made}, '')"


def _csv() -> str:
    names = (
        f"(SELECT string_agg(keys.name, ',') FROM json_object_keys((array_agg("
        f"row_to_json({ROWS})))[1]) AS keys(name))"
    )
    lines = f"string_agg(substring({ROWS}::text, 2, length({ROWS}::text) - 2), E'\\n')"
    return f"COALESCE({names}, '') || E'\\n' || COALESCE({lines}, '')"


def explained(explain: Explain, statement: str) -> str:
    """Return the statement under EXPLAIN; options come from a closed list."""
    options = ", ".join([f"FORMAT {explain.format.upper()}", *map(str.upper, explain.options)])
    return f"EXPLAIN ({options}) {statement}"
