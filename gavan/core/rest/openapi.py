"""The root document: Swagger 2.0 of one schema, in the shape that type generators read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

from gavan.core.rest.openapi_parameters import (
    READ,
    body_arguments,
    filters_of,
    json_type,
    query_arguments,
    references,
    shared_parameters,
    table_parameters,
    type_format,
)
from gavan.core.rest.schema_cache import (
    Column,
    Relationship,
    Routine,
    SchemaCache,
    Table,
)
from gavan.database.session import Rows, Statement
from gavan.kit.version import VERSION

CLAIMED = "14.12"
"""The PostgREST version that this API follows: the supabase CLI reads the first word"""
DESCRIPTION = "The data API of this project."
OBJECTS = ["application/vnd.pgrst.object+json;nulls=stripped", "application/vnd.pgrst.object+json"]
SECURITY: dict[str, Any] = {
    "securityDefinitions": {
        "JWT": {
            "type": "apiKey",
            "name": "Authorization",
            "in": "header",
            "description": 'Add the token prepending "Bearer " (without quotes) to it',
        }
    },
    "security": [{"JWT": []}],
}
MEDIA = ["application/json", *OBJECTS, "text/csv"]
_LITERAL = re.compile(r"'((?:[^']|'')*)'::[^']+")
TEXTS = {"200": "OK", "201": "Created", "204": "No Content", "206": "Partial Content"}


@dataclass(frozen=True, slots=True)
class Visible:
    """Names that a role may touch at all."""

    relations: frozenset[str]
    routines: frozenset[str]


def ask_visible(schema: str) -> Statement:
    """Return the statement that finds what the acting role may touch in a schema."""
    return Statement(
        text="""
select (
    select coalesce(json_agg(c.relname), '[]')
    from pg_catalog.pg_class c
    where c.relnamespace = n.oid and c.relkind in ('r', 'v', 'm', 'f', 'p') and (
        has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE')
        or has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE')
    )
)::text, (
    select coalesce(json_agg(p.proname), '[]')
    from pg_catalog.pg_proc p
    where p.pronamespace = n.oid and has_function_privilege(p.oid, 'EXECUTE')
)::text
from pg_catalog.pg_namespace n where n.nspname = $1""",
        params=(schema.encode(),),
    )


def read_visible(rows: Rows) -> Visible:
    """Return what ``ask_visible`` found; nothing in a schema that is gone."""
    relations, routines = rows.values[0] if rows.values else (b"[]", b"[]")
    return Visible(
        frozenset(orjson.loads(relations or b"[]")), frozenset(orjson.loads(routines or b"[]"))
    )


def build_document(
    cache: SchemaCache,
    schema: str,
    url: str,
    visible: Visible | None = None,
    *,
    with_security: bool = False,
) -> bytes:
    """Return the document of one schema as JSON.

    Args:
        url: where clients reach the data API.
        visible: what is shown; None shows everything.
        with_security: whether it says that a token may be sent.
    """
    tables = [
        table
        for name, table in sorted(cache.tables.items())
        if name.schema == schema and (visible is None or name.name in visible.relations)
    ]
    routines = [
        items[0]
        for name, items in sorted(cache.routines.items())
        if name.schema == schema and (visible is None or name.name in visible.routines)
    ]
    comment = (cache.comments.get(schema) or "").split("\n", 1)
    parameters = shared_parameters()
    for table in tables:
        parameters |= table_parameters(table)
    place = urlsplit(url)
    document = {
        "swagger": "2.0",
        "info": {
            "title": comment[0] or "PostgREST API",
            "description": comment[1].lstrip("\n") if len(comment) > 1 else DESCRIPTION,
            "version": f"{CLAIMED} (gavan {VERSION})",
        },
        "host": place.netloc.rpartition("@")[2],
        "basePath": place.path or "/",
        "schemes": [place.scheme or "http"],
        "consumes": MEDIA,
        "produces": MEDIA,
        "definitions": {table.name.name: _definition(cache, table) for table in tables},
        "parameters": parameters,
        "paths": {
            "/": _root_path(),
            **{f"/{table.name.name}": _table_path(table) for table in tables},
            **{f"/rpc/{routine.name.name}": _routine_path(routine) for routine in routines},
        },
        "externalDocs": {
            "description": "PostgREST Documentation",
            "url": "https://postgrest.org/en/v14/references/api.html",
        },
    }
    if with_security:
        document |= SECURITY
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
    """Return the column that each column of a key of its own refers to, in a table if possible."""
    found: dict[str, tuple[str, str]] = {}
    keys = [
        item
        for item in cache.relationships.get(table.name, ())
        if isinstance(item, Relationship) and item.to_one and not item.is_parent
    ]
    for item in sorted(keys, key=lambda key: key.foreign_is_view):
        if len(item.columns) == 1:
            near, far = item.columns[0]
            found.setdefault(near, (item.foreign.name, far))
    return found


def _default(column: Column) -> object:
    """Return the JSON value of a default; None for what only Postgres can compute."""
    written = column.default
    if written is None:
        return None
    if json_type(column.base_type).get("type") == "string":
        literal = _LITERAL.fullmatch(written)
        return literal[1].replace("''", "'") if literal else written
    try:
        return orjson.loads(written)
    except orjson.JSONDecodeError:
        return None


def _property(column: Column, table: Table, key: tuple[str, str] | None) -> dict[str, Any]:
    shown = {"format": type_format(column.base_type), **json_type(column.base_type)}
    if (default := _default(column)) is not None:
        shown["default"] = default
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


def _root_path() -> dict[str, Any]:
    get: dict[str, Any] = {
        "tags": ["Introspection"],
        "summary": "OpenAPI description (this document)",
        "produces": ["application/openapi+json", "application/json"],
        "responses": _responses("200"),
    }
    return {"get": get}


def _table_path(table: Table) -> dict[str, Any]:
    name = table.name.name
    filters, body = filters_of(table), f"body.{name}"
    common: dict[str, Any] = {"tags": [name], **_summary(table.comment)}
    rows = {"type": "array", "items": {"$ref": f"#/definitions/{name}"}}
    get: dict[str, Any] = {
        **common,
        "parameters": references([*filters, *READ]),
        "responses": {**_responses("206"), "200": {"description": TEXTS["200"], "schema": rows}},
    }
    if not (table.insertable or table.updatable or table.deletable):
        return {"get": get}
    writes = {
        "post": ([body, "select", "preferPost"], "201"),
        "patch": ([*filters, body, "preferReturn"], "204"),
        "delete": ([*filters, "preferReturn"], "204"),
    }
    return {
        "get": get,
        **{
            verb: {**common, "parameters": references(names), "responses": _responses(code)}
            for verb, (names, code) in writes.items()
        },
    }


def _routine_path(routine: Routine) -> dict[str, Any]:
    common = {
        "tags": [f"(rpc) {routine.name.name}"],
        **_summary(routine.comment),
        "produces": ["application/json", *OBJECTS],
        "responses": _responses("200"),
    }
    post = {**common, "parameters": body_arguments(routine)}
    if routine.volatility == "v":
        return {"post": post}
    return {"get": {**common, "parameters": query_arguments(routine)}, "post": post}


def _summary(comment: str | None) -> dict[str, str]:
    """Return the first line of a comment as summary, what follows as description."""
    summary, _, description = (comment or "").partition("\n")
    found = {"summary": summary, "description": description.lstrip("\n")}
    return {name: text for name, text in found.items() if text}


def _responses(*codes: str) -> dict[str, Any]:
    return {code: {"description": TEXTS[code]} for code in codes}
