"""Render the catalogue as Python: TypedDicts for what supabase-py takes and returns.

Pure: a catalogue in, the text of a module out. Rows are what ``select("*")`` answers, so computed
fields are not among them. Stands beside typescript.py.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterable, Sequence

from gavan.database.types.model import (
    BODY_TYPES,
    COMPOSITE,
    INSERT,
    TABLES,
    UPDATE,
    VIEWS,
    Argument,
    Catalogue,
    Column,
    Relation,
    Routine,
)

HEAD = '''\
"""Types of the database, for supabase-py. Made by `gavan types --lang py`; do not edit."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
'''
STRINGS = (
    "bytea", "bpchar", "varchar", "text", "citext", "uuid", "vector", "name",
    "date", "time", "timetz", "timestamp", "timestamptz", "interval",
)  # fmt: skip
SCALARS = {
    "bool": "bool",
    **dict.fromkeys(("int2", "int4", "int8"), "int"),
    **dict.fromkeys(("float4", "float8", "numeric"), "float"),
    **dict.fromkeys(STRINGS, "str"),
    "json": "Json",
    "jsonb": "Json",
    "void": "None",
    "record": "dict[str, Any]",
}
UNKNOWN = "Any"
BUILTINS = ("bool", "dict", "float", "int", "list", "str")
OWN_NAMES = ("Any", "Json", "Literal", "NotRequired", "TypeAlias", "TypedDict")
Member = tuple[str, str]


def python(catalogue: Catalogue) -> str:
    """Return the module: enums, composite types, then Row, Insert, Update, Args and Returns."""
    return _Module(catalogue).text()


class _Module:
    """One rendering: names are given once, so that no two things of several schemas share one."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._names: dict[tuple[str, ...], str] = {}
        self._taken = {*OWN_NAMES, *keyword.kwlist}

    def text(self) -> str:
        parts = [HEAD]
        for schema in self._catalogue.sorted_schemas:
            parts += self._enums(schema)
            for relation in self._catalogue.relations_of(schema, (COMPOSITE, *TABLES, *VIEWS)):
                parts += self._relation(relation)
            for overloads in self._catalogue.routines_of(schema).values():
                for number, routine in enumerate(overloads, 1):
                    parts += self._routine(routine, str(number) if len(overloads) > 1 else "")
        return "\n\n".join(parts)

    def _enums(self, schema: str) -> Iterable[str]:
        for enum in self._catalogue.enums_of(schema):
            yield f"{self._name(schema, enum.name)}: TypeAlias = {_literal(enum.labels)}\n"

    def _relation(self, relation: Relation) -> Iterable[str]:
        schema, name = relation.schema, relation.name
        if relation.kind == COMPOSITE:
            members = [(c.name, self._column(c, is_nullable=True)) for c in relation.columns]
            yield _typed_dict(self._name(schema, name), members)
            return
        row = [
            (c.name, self._column(c, is_nullable=c.is_nullable)) for c in relation.sorted_columns
        ]
        yield _typed_dict(self._name(schema, name, "row"), row)
        if relation.events & INSERT:
            insert = self._written(relation, is_new=True)
            yield _typed_dict(self._name(schema, name, "insert"), insert)
        if relation.events & UPDATE:
            update = self._written(relation, is_new=False)
            yield _typed_dict(self._name(schema, name, "update"), update)

    def _written(self, relation: Relation, *, is_new: bool) -> list[Member]:
        is_view = relation.kind in VIEWS
        members = []
        for column in relation.sorted_columns:
            if not column.is_written:
                continue
            kind = self._column(column, is_nullable=is_view or column.is_nullable)
            is_needed = is_new and not (is_view or column.is_nullable or column.has_default)
            members.append((column.name, kind if is_needed else f"NotRequired[{kind}]"))
        return members

    def _routine(self, routine: Routine, number: str) -> Iterable[str]:
        if routine.inputs and not routine.inputs[0].name:
            kind = self._catalogue.types[routine.inputs[0].type]
            if kind.name not in BODY_TYPES:
                return  # a computed field: asked for by select(), never called
        names = routine.schema, routine.name, number
        members = [(a.name, self._argument(a)) for a in routine.inputs if a.name]
        yield _typed_dict(self._name(*names, "args"), members)
        one = self._type(routine.returns)
        if routine.table:
            one = self._name(*names, "result")
            yield _typed_dict(one, [(c.name, _or_none(self._type(c.type))) for c in routine.table])
        is_row = self._catalogue.row_of(routine.returns) is not None
        is_many = routine.is_set and not (is_row and routine.rows == 1 and not routine.table)
        returns = f"list[{one}]" if is_many else one
        yield f"{self._name(*names, 'returns')}: TypeAlias = {_text(returns)}\n"

    def _argument(self, argument: Argument) -> str:
        kind = self._type(argument.type)
        return f"NotRequired[{kind}]" if argument.has_default else kind

    def _column(self, column: Column, *, is_nullable: bool) -> str:
        kind = self._type(column.type)
        return _or_none(kind) if is_nullable else kind

    def _type(self, type_oid: int) -> str:
        known = self._catalogue.types.get(type_oid)
        if known is None:
            return UNKNOWN
        if known.element:
            return f"list[{self._type(known.element)}]"
        if known.kind == "d":
            return self._type(known.base)
        if known.labels:
            is_visible = self._catalogue.is_visible(known.schema)
            return self._name(known.schema, known.name) if is_visible else _literal(known.labels)
        row = self._catalogue.row_of(type_oid)
        if row is not None and self._catalogue.is_visible(row.schema):
            part = () if row.kind == COMPOSITE else ("row",)
            return self._name(row.schema, row.name, *part)
        return SCALARS.get(known.name, UNKNOWN)

    def _name(self, schema: str, *parts: str) -> str:
        """Return the name of a class, the same for the same thing, without the default schema."""
        key = (schema, *parts)
        if key not in self._names:
            given = parts if schema == self._catalogue.default_schema else key
            plain = name = "".join(map(_camel, given)) or "Type"
            number = 2
            if not plain.isidentifier():
                plain = name = f"T{plain}"
            while name in self._taken:
                name, number = f"{plain}_{number}", number + 1
            self._taken.add(name)
            self._names[key] = name
        return self._names[key]


def _camel(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"\W+|_", name))


def _typed_dict(name: str, members: Sequence[Member]) -> str:
    if all(_is_plain(key) for key, _ in members):
        lines = [f"    {key}: {kind}" for key, kind in members] or ["    pass"]
        return "\n".join([f"class {name}(TypedDict):", *lines, ""])
    # Keys that no class body can spell; forward references need their quotes here.
    lines = [f"        {_text(key)}: {_text(kind)}," for key, kind in members]
    return "\n".join(
        [f"{name} = TypedDict(", f"    {_text(name)},", "    {", *lines, "    },", ")", ""]
    )


def _is_plain(key: str) -> bool:
    # In a class body two underscores in front are mangled, and a key hides the type of its name.
    hides = key in BUILTINS or key[:1].isupper()
    return key.isidentifier() and not (keyword.iskeyword(key) or key.startswith("__") or hides)


def _literal(labels: Sequence[str]) -> str:
    return f"Literal[{', '.join(map(_text, labels))}]"


def _or_none(kind: str) -> str:
    return kind if kind in (UNKNOWN, "None") else f"{kind} | None"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
