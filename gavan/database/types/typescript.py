"""Render the catalogue as TypeScript, in the shape that supabase-js expects of ``Database``.

Pure: a catalogue in, the text of a module out. The shape follows `supabase gen types`; layout is
ours. Stands beside python.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from gavan.database.types.helpers import HELPERS
from gavan.database.types.model import (
    BODY_TYPES,
    COMPOSITE,
    INSERT,
    TABLES,
    UPDATE,
    VIEWS,
    Catalogue,
    Column,
    Link,
    Relation,
    Routine,
)
from gavan.database.types.order import by_name

HEAD = """\
export type Json =
  | string
  | number
  | boolean
  | null
  | { [key: string]: Json | undefined }
  | Json[]
"""
NUMBERS = ("int2", "int4", "int8", "float4", "float8", "numeric")
STRINGS = (
    "bytea", "bpchar", "varchar", "text", "citext", "uuid", "vector",
    "date", "time", "timetz", "timestamp", "timestamptz", "interval",
)  # fmt: skip
SCALARS = {
    "bool": "boolean",
    **dict.fromkeys(NUMBERS, "number"),
    **dict.fromkeys(STRINGS, "string"),
    "json": "Json",
    "jsonb": "Json",
    "void": "undefined",
    "record": "Record<string, unknown>",
}
UNKNOWN = "unknown"
NOTHING = "Record<PropertyKey, never>"
Member = tuple[str, str]


def typescript(catalogue: Catalogue) -> str:
    """Return the module: Json, Database, its helper types and the labels of the enums."""
    schemas = [(_key(s), _schema(catalogue, s)) for s in catalogue.sorted_schemas]
    constants = [(_key(s), _object([("Enums", _labels(catalogue, s))]))
                 for s in catalogue.sorted_schemas]  # fmt: skip
    return "\n".join(
        [
            HEAD,
            f"export type Database = {_object(schemas)}\n",
            HELPERS.replace("DEFAULT_SCHEMA", json.dumps(catalogue.default_schema)),
            f"export const Constants = {_object(constants, end=',')} as const\n",
        ]
    )


def _schema(catalogue: Catalogue, schema: str) -> str:
    tables = [
        (_key(r.name), _relation(catalogue, r)) for r in catalogue.relations_of(schema, TABLES)
    ]
    views = [(_key(r.name), _relation(catalogue, r)) for r in catalogue.relations_of(schema, VIEWS)]
    routines = [
        (_key(name), _overloads(catalogue, overloads))
        for name, overloads in catalogue.routines_of(schema).items()
    ]
    enums = [(_key(e.name), _union(map(_text, e.labels))) for e in catalogue.enums_of(schema)]
    composites = [
        (_key(r.name), _object([(_key(c.name), _value(catalogue, c.type, is_nullable=True))
                                for c in r.columns]))
        for r in catalogue.relations_of(schema, (COMPOSITE,))
    ]  # fmt: skip
    parts = {
        "Tables": tables,
        "Views": views,
        "Functions": routines,
        "Enums": enums,
        "CompositeTypes": composites,
    }
    return _object([(name, _object(found or [("[_ in never]", "never")]))
                    for name, found in parts.items()])  # fmt: skip


def _relation(catalogue: Catalogue, relation: Relation) -> str:
    fields = catalogue.fields_of(relation)
    row = _row(catalogue, relation)
    row += [(_key(f.name), _or_null(_one(catalogue, f))) for f in fields]
    names = _union(dict.fromkeys(_text(field.name) for field in fields)) or "never"
    parts: list[Member] = [("Row", _object(row)), ("ComputedFields", names)]
    if relation.events & INSERT:
        parts.append(("Insert", _written(catalogue, relation, is_new=True)))
    if relation.events & UPDATE:
        parts.append(("Update", _written(catalogue, relation, is_new=False)))
    links = [_link(link) for link in catalogue.links.get(relation.oid, ())]
    parts.append(("Relationships", _tuple(links)))
    return _object(parts)


def _row(catalogue: Catalogue, relation: Relation) -> list[Member]:
    return [
        (_key(c.name), _value(catalogue, c.type, is_nullable=c.is_nullable, is_column=True))
        for c in relation.sorted_columns
    ]


def _written(catalogue: Catalogue, relation: Relation, *, is_new: bool) -> str:
    is_view = relation.kind in VIEWS
    members = []
    for column in relation.sorted_columns:
        is_free = is_view or not is_new or _is_optional(column)
        kind = "never"
        if column.is_written:
            is_nullable = is_view or column.is_nullable
            kind = _value(catalogue, column.type, is_nullable=is_nullable, is_column=True)
        members.append((_key(column.name) + ("?" if is_free else ""), kind))
    return _object(members)


def _is_optional(column: Column) -> bool:
    return column.is_nullable or column.has_default or not column.is_written


def _link(link: Link) -> str:
    return _object(
        [
            ("foreignKeyName", _text(link.name)),
            ("columns", f"[{', '.join(map(_text, link.columns))}]"),
            ("isOneToOne", _flag(link.is_one_to_one)),
            ("referencedRelation", _text(link.target)),
            ("referencedColumns", f"[{', '.join(map(_text, link.target_columns))}]"),
        ]
    )


def _overloads(catalogue: Catalogue, overloads: Sequence[Routine]) -> str:
    found = [_routine(catalogue, routine, overloads) for routine in overloads]
    return found[0] if len(found) == 1 else "".join("\n| " + _indent(text) for text in found)


def _routine(catalogue: Catalogue, routine: Routine, overloads: Sequence[Routine]) -> str:
    failure = _failure(catalogue, routine, overloads)
    parts: list[Member] = [
        ("Args", _arguments(catalogue, routine)),
        ("Returns", f"{{ error: true }} & {_text(failure)}" if failure else
         _returns(catalogue, routine)),
    ]  # fmt: skip
    row = catalogue.row_of(routine.returns)
    if row is not None:
        source = (
            catalogue.row_of(routine.arguments[0].type) if len(routine.arguments) == 1 else None
        )
        setof = [
            ("from", _text(_qualified(source) if source else "*")),
            ("to", _text(row.name)),
            ("isOneToOne", _flag(_is_single(routine))),
            ("isSetofReturn", _flag(routine.is_set)),
        ]
        parts.append(("SetofOptions", _object(setof)))
    return _object(parts)


def _arguments(catalogue: Catalogue, routine: Routine) -> str:
    members = []
    for argument in sorted(routine.inputs, key=lambda argument: by_name(argument.name)):
        kind = _type(catalogue, argument.type)
        row = catalogue.row_of(argument.type)
        if argument.name and row is not None and row.kind != COMPOSITE and kind != UNKNOWN:
            # A caller cannot give what the server computes.
            part = "Tables" if row.kind in TABLES else "Views"
            kind = f"Omit<{kind}, {_path(row.schema, part, row.name, 'ComputedFields')}>"
        key = _key(argument.name) + ("?" if argument.has_default else "")
        members.append((key, kind))
    return _object(members) if members else NOTHING


def _returns(catalogue: Catalogue, routine: Routine) -> str:
    kind = _one(catalogue, routine)
    is_many = routine.is_set and not (
        catalogue.row_of(routine.returns) is not None and _is_single(routine)
    )
    return f"{kind}[]" if is_many else kind


def _one(catalogue: Catalogue, routine: Routine) -> str:
    """Return the type of one result, without the brackets of a set."""
    if routine.table:
        columns = sorted(routine.table, key=lambda column: by_name(column.name))
        return _object([(_key(c.name), _type(catalogue, c.type)) for c in columns])
    row = catalogue.row_of(routine.returns)
    if row is not None and row.schema == routine.schema and row.kind != COMPOSITE:
        return _object(_row(catalogue, row))
    return _type(catalogue, routine.returns)


def _is_single(routine: Routine) -> bool:
    return not routine.is_set or (routine.rows == 1 and not routine.table)


def _failure(catalogue: Catalogue, routine: Routine, overloads: Sequence[Routine]) -> str:
    """Return the error that every call of this function ends with, or nothing."""
    if len(routine.inputs) != 1:
        return ""
    own, name = routine.inputs[0], f"{routine.schema}.{routine.name}"
    if not own.name:
        if catalogue.types[own.type].name in BODY_TYPES:
            return ""
        return (
            f"the function {name} with parameter or with a single unnamed json/jsonb parameter,"
            " but no matches were found in the schema cache"
        )
    rivals = [r.inputs[0] for r in overloads if len(r.inputs) == 1 and r.inputs[0].name == own.name]
    if len(rivals) < 2:
        return ""
    calls = ", ".join(f"{name}({r.name} => {catalogue.types[r.type].name})" for r in rivals)
    return (
        f"Could not choose the best candidate function between: {calls}. Try renaming the"
        " parameters or the function itself in the database so function overloading can be resolved"
    )


def _value(
    catalogue: Catalogue, type_oid: int, *, is_nullable: bool, is_column: bool = False
) -> str:
    known = catalogue.types.get(type_oid)
    if is_column and known is not None and known.kind == "d":
        type_oid = known.base
        known = catalogue.types.get(type_oid)
    kind = _type(catalogue, type_oid)
    if kind == UNKNOWN:
        return kind
    if not is_nullable:
        return "NonNullable<Json>" if kind == "Json" else kind
    return f"{kind} | null"


def _or_null(kind: str) -> str:
    return kind if kind == UNKNOWN else f"{kind} | null"


def _type(catalogue: Catalogue, type_oid: int) -> str:
    known = catalogue.types.get(type_oid)
    if known is None:
        return UNKNOWN
    if known.element:
        inner = _type(catalogue, known.element)
        return f"({inner})[]" if " | " in inner else f"{inner}[]"
    if known.labels:
        if catalogue.is_visible(known.schema):
            return _path(known.schema, "Enums", known.name)
        return _union(map(_text, known.labels))
    row = catalogue.row_of(type_oid)
    if row is not None and catalogue.is_visible(row.schema):
        if row.kind == COMPOSITE:
            return _path(row.schema, "CompositeTypes", row.name)
        part = "Tables" if row.kind in TABLES else "Views"
        return _path(row.schema, part, row.name, "Row")
    # Types of extensions (citext, vector) live in any schema, the rest are Postgres' own.
    return SCALARS.get(known.name, UNKNOWN) if known.kind in ("b", "p") else UNKNOWN


def _labels(catalogue: Catalogue, schema: str) -> str:
    enums = catalogue.enums_of(schema)
    members = [(_key(e.name), f"[{', '.join(map(_text, e.labels))}]") for e in enums]
    return _object(members, end=",")


def _qualified(relation: Relation) -> str:
    return relation.name if relation.schema == "public" else f"{relation.schema}.{relation.name}"


def _path(*names: str) -> str:
    return "Database" + "".join(f"[{_text(name)}]" for name in names)


def _union(parts: Iterable[str]) -> str:
    return " | ".join(parts)


def _tuple(parts: Sequence[str]) -> str:
    return "[" + "".join(f"\n  {_indent(part)}," for part in parts) + ("\n]" if parts else "]")


def _object(members: Sequence[Member], end: str = "") -> str:
    lines = "".join(f"\n  {key}: {_indent(value)}{end}" for key, value in members)
    return f"{{{lines}\n}}" if members else "{}"


def _indent(text: str) -> str:
    return text.replace("\n", "\n  ")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_$][\w$]*", name, re.ASCII) else _text(name)


def _text(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def _flag(value: bool) -> str:
    return "true" if value else "false"
