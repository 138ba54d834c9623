"""The parameters of the root document: those every relation shares, and one per column.

Names and places are PostgREST's, because generated clients carry them. Stands under openapi.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gavan.core.rest.schema_cache import Parameter, Routine, Table

Object = dict[str, Any]

RETURN = ("return=representation", "return=minimal", "return=headers-only")
COUNT = ("count=exact", "count=planned", "count=estimated")
RESOLUTION = ("resolution=ignore-duplicates", "resolution=merge-duplicates")
PAGE = "Limiting and Pagination"
READ = ("select", "order", "range", "rangeUnit", "offset", "limit", "preferCount")
NUMBERS = frozenset({"numeric", "real", "double precision"})
INTEGERS = frozenset({"smallint", "integer", "bigint"})


FORMATS = {"smallint": "int32", "integer": "int32", "bigint": "int64"}


def type_format(name: str) -> str:
    """Return the format of an SQL type: Swagger's own for integers, else the type's name."""
    return FORMATS.get(name, name)


def json_type(name: str) -> Object:
    """Return the JSON type of an SQL type: nothing for json itself, which may be anything."""
    if name.endswith("[]"):
        return {"type": "array", "items": json_type(name[:-2])}
    if name in INTEGERS:
        return {"type": "integer"}
    if name in NUMBERS:
        return {"type": "number"}
    if name in {"json", "jsonb"}:
        return {}
    return {"type": "boolean" if name == "boolean" else "string"}


def shared_parameters() -> dict[str, Object]:
    """Return the parameters that paths refer to by name."""
    return {
        "preferParams": _prefer(()),
        "preferReturn": _prefer(RETURN),
        "preferCount": _prefer(COUNT),
        "preferPost": _prefer((*RETURN, *RESOLUTION)),
        "select": _text("select", "query", "Filtering Columns"),
        "on_conflict": _text("on_conflict", "query", "On Conflict"),
        "order": _text("order", "query", "Ordering"),
        "range": _text("Range", "header", PAGE),
        "rangeUnit": {**_text("Range-Unit", "header", PAGE), "default": "items"},
        "offset": _text("offset", "query", PAGE),
        "limit": _text("limit", "query", PAGE),
    }


def table_parameters(table: Table) -> dict[str, Object]:
    """Return the body of a relation and the filter of each of its columns."""
    name = table.name.name
    found: dict[str, Object] = {
        f"body.{name}": {
            "name": name,
            "in": "body",
            "description": name,
            "required": False,
            "schema": {"$ref": f"#/definitions/{name}"},
        }
    }
    for column in table.columns.values():
        found[f"rowFilter.{name}.{column.name}"] = _text(column.name, "query", column.comment)
    return found


def filters_of(table: Table) -> list[str]:
    """Return the names of the filters of a relation."""
    return [f"rowFilter.{table.name.name}.{column}" for column in table.columns]


def references(names: Iterable[str]) -> list[Object]:
    """Return references to parameters of the document."""
    return [{"$ref": f"#/parameters/{name}"} for name in names]


def query_arguments(routine: Routine) -> list[Object]:
    """Return the arguments of a function called by GET."""
    return [_argument(item) for item in routine.parameters]


def body_arguments(routine: Routine) -> list[Object]:
    """Return the arguments of a function called by POST: one body."""
    properties = {
        item.name: {"format": type_format(item.type), **json_type(item.type)}
        for item in routine.parameters
    }
    schema: Object = {"type": "object", "properties": properties}
    if required := [item.name for item in routine.parameters if item.required]:
        schema["required"] = required
    if routine.comment:
        schema["description"] = routine.comment
    body = {"name": "args", "in": "body", "required": True, "schema": schema}
    return [body, *references(["preferParams"])]


def _argument(item: Parameter) -> Object:
    shown: Object = {"name": item.name, "in": "query", "required": item.required}
    kind = json_type(item.type)
    if item.variadic:
        one = type_format(item.type.removesuffix("[]"))
        items = {**kind.get("items", {"type": "string"}), "format": one}
        return {**shown, "type": "array", "items": items, "collectionFormat": "multi"}
    # Swagger wants a type here, and an array is written as text: {1,2}.
    plain = kind.get("type", "string")
    written = "string" if plain == "array" else plain
    return {**shown, "type": written, "format": type_format(item.type)}


def _prefer(tokens: tuple[str, ...]) -> Object:
    shown = _text("Prefer", "header", "Preference")
    return {**shown, "enum": list(tokens)} if tokens else shown


def _text(name: str, place: str, description: str | None) -> Object:
    shown: Object = {"name": name, "in": place, "required": False, "type": "string"}
    if description:
        shown["description"] = description
    return shown
