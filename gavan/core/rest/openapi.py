"""The root document: Swagger 2.0 of one schema, in the shape that type generators read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from gavan.core.rest.schema_cache import (
    Cardinality,
    Column,
    Relationship,
    Routine,
    SchemaCache,
    Table,
)
from gavan.kit.version import VERSION

CLAIMED = "14.12"
"""The PostgREST version that this API follows: the supabase CLI reads the first word"""
NUMBERS = {"numeric", "real", "double precision"}
INTEGERS = {"smallint": "int32", "integer": "int32", "bigint": "int64"}
MEDIA = [
    "application/json",
    "application/vnd.pgrst.object+json;nulls=stripped",
    "application/vnd.pgrst.object+json",
    "text/csv",
]


def build_document(cache: SchemaCache, schema: str) -> bytes:
    """Return the document of one schema as JSON."""
    tables = sorted(
        (table for name, table in cache.tables.items() if name.schema == schema),
        key=lambda table: table.name.name,
    )
    routines = [items[0] for name, items in sorted(cache.routines.items()) if name.schema == schema]
    comment = (cache.comments.get(schema) or "").split("\n", 1)
    document = {
        "swagger": "2.0",
        "info": {
            "title": comment[0] or "PostgREST API",
            "description": comment[1] if len(comment) > 1 else "The data API of this project.",
            "version": f"{CLAIMED} (gavan {VERSION})",
        },
        "basePath": "/",
        "schemes": ["http"],
        "consumes": MEDIA,
        "produces": MEDIA,
        "definitions": {table.name.name: _definition(cache, table) for table in tables},
        "paths": {
            "/": {"get": {"tags": ["Introspection"], "responses": _responses("200")}},
            **{f"/{table.name.name}": _table_path(table) for table in tables},
            **{f"/rpc/{routine.name.name}": _routine_path(routine) for routine in routines},
        },
        "externalDocs": {
            "description": "PostgREST Documentation",
            "url": "https://docs.postgrest.org/en/v14/references/api.html",
        },
    }
    return orjson.dumps(document)


def _definition(cache: SchemaCache, table: Table) -> dict[str, Any]:
    keys = _foreign_keys(cache, table)
    definition: dict[str, Any] = {
        "type": "object",
        "properties": {
            column.name: _property(column, table, keys.get(column.name))
            for column in table.columns.values()
        },
    }
    required = [column.name for column in table.columns.values() if not column.nullable]
    if required:
        definition["required"] = required
    if table.comment:
        definition["description"] = table.comment
    return definition


def _foreign_keys(cache: SchemaCache, table: Table) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for item in cache.relationships.get(table.name, ()):
        if isinstance(item, Relationship) and item.cardinality is Cardinality.MANY_TO_ONE:
            for near, far in item.columns:
                found.setdefault(near, (item.foreign.name, far))
    return found


def _property(column: Column, table: Table, key: tuple[str, str] | None) -> dict[str, Any]:
    shown: dict[str, Any] = {"format": column.type, **_type(column.base_type)}
    if column.default is not None:
        shown["default"] = column.default
    if column.enum:
        shown["enum"] = list(column.enum)
    if column.max_length is not None:
        shown["maxLength"] = column.max_length
    notes = []
    if column.name in table.primary_key:
        notes.append("This is a Primary Key.<pk/>")
    if key is not None:
        target, far = key
        notes.append(
            f"This is a Foreign Key to `{target}.{far}`.<fk table='{target}' column='{far}'/>"
        )
    parts = [column.comment] if column.comment else []
    if notes:
        parts.append("Note:\n" + "\n".join(notes))
    if parts:
        shown["description"] = "\n\n".join(parts)
    return shown


def _type(name: str) -> dict[str, Any]:
    if name.endswith("[]"):
        return {"type": "array", "items": _type(name[:-2])}
    if name in INTEGERS:
        return {"type": "integer"}
    if name in NUMBERS:
        return {"type": "number"}
    if name in {"json", "jsonb"}:
        return {}
    return {"type": "boolean" if name == "boolean" else "string"}


def _table_path(table: Table) -> dict[str, Any]:
    name = table.name.name
    verbs = {"get": ("200", "206")}
    if table.insertable:
        verbs["post"] = ("201", "201")
    if table.updatable:
        verbs["patch"] = ("204", "204")
    if table.deletable:
        verbs["delete"] = ("204", "204")
    return {
        verb: {"tags": [name], "responses": _responses(*codes)} for verb, codes in verbs.items()
    }


def _routine_path(routine: Routine) -> dict[str, Any]:
    tag = f"(rpc) {routine.name.name}"
    properties = {
        item.name: {"format": item.type, **_type(item.type)} for item in routine.parameters
    }
    body: dict[str, Any] = {"type": "object", "properties": properties}
    required = [item.name for item in routine.parameters if item.required]
    if required:
        body["required"] = required
    post = {
        "tags": [tag],
        "parameters": [{"in": "body", "name": "args", "required": True, "schema": body}],
        "responses": _responses("200"),
    }
    if routine.volatility == "v":
        return {"post": post}
    return {"post": post, "get": {"tags": [tag], "responses": _responses("200")}}


def _responses(*codes: str) -> dict[str, Any]:
    texts = {"200": "OK", "201": "Created", "204": "No Content", "206": "Partial Content"}
    return {code: {"description": texts[code]} for code in _unique(codes)}


def _unique(codes: Iterable[str]) -> Iterable[str]:
    return dict.fromkeys(codes)
