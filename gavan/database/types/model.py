"""What the catalogue says, as values that the renderers read.

Stands between reading (read.py) and rendering (typescript.py, python.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from gavan.database.types.order import by_name

TABLES = ("r", "p", "f")
VIEWS = ("v", "m")
COMPOSITE = "c"
INSERT, UPDATE = 8, 4
"""Bits of pg_relation_is_updatable."""
BODY_TYPES = ("json", "jsonb", "text")
"""The types that a single parameter without a name may have to be called over HTTP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """``kind`` as in pg_type.typtype; relation, base and element are 0 when there is none."""

    oid: int
    schema: str
    name: str
    kind: str = "b"
    relation: int = 0
    base: int = 0
    element: int = 0
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """``is_written``: a client may give it a value."""

    number: int
    name: str
    type: int
    is_nullable: bool = False
    has_default: bool = False
    is_written: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table, view or composite type; ``kind`` as in pg_class.relkind."""

    oid: int
    schema: str
    name: str
    kind: str
    events: int
    columns: tuple[Column, ...]

    @property
    def sorted_columns(self) -> list[Column]:
        return sorted(self.columns, key=lambda column: by_name(column.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A foreign key as a relation shows it, towards one relation that shows its target."""

    name: str
    columns: tuple[str, ...]
    is_one_to_one: bool
    target: str
    target_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    name: str
    type: int
    mode: str = "i"
    has_default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Routine:
    """A function; ``rows`` is the planner's estimate, 1 promises a single row."""

    schema: str
    name: str
    signature: str
    arguments: tuple[Argument, ...]
    returns: int
    is_set: bool = False
    rows: float = 0

    @property
    def inputs(self) -> tuple[Argument, ...]:
        return tuple(argument for argument in self.arguments if argument.mode in "ibv")

    @property
    def table(self) -> tuple[Argument, ...]:
        """The columns of RETURNS TABLE."""
        return tuple(argument for argument in self.arguments if argument.mode == "t")


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """One database seen through ``schemas``; relations and types of all schemas are known."""

    schemas: tuple[str, ...]
    types: Mapping[int, Type]
    relations: Mapping[int, Relation]
    routines: tuple[Routine, ...]
    links: Mapping[int, tuple[Link, ...]]

    @property
    def default_schema(self) -> str:
        return "public" if "public" in self.schemas else self.schemas[0]

    @cached_property
    def sorted_schemas(self) -> list[str]:
        return sorted(self.schemas, key=by_name)

    def relations_of(self, schema: str, kinds: tuple[str, ...]) -> list[Relation]:
        """Return the relations of these kinds in a schema, by name."""
        found = [r for r in self.relations.values() if r.schema == schema and r.kind in kinds]
        return sorted(found, key=lambda relation: by_name(relation.name))

    def enums_of(self, schema: str) -> list[Type]:
        """Return the enums of a schema that have a label, by name."""
        found = [t for t in self.types.values() if t.schema == schema and t.labels]
        return sorted(found, key=lambda enum: by_name(enum.name))

    def routines_of(self, schema: str) -> Mapping[str, list[Routine]]:
        """Return what can be called over HTTP, by name, the overloads of a name together."""
        return self._callable.get(schema, {})

    @cached_property
    def _callable(self) -> dict[str, dict[str, list[Routine]]]:
        found: dict[str, dict[str, list[Routine]]] = {}
        for routine in sorted(self.routines, key=lambda r: (by_name(r.name), r.signature)):
            if self._is_callable(routine):
                found.setdefault(routine.schema, {}).setdefault(routine.name, []).append(routine)
        return found

    def fields_of(self, relation: Relation) -> list[Routine]:
        """Return the functions that are computed fields of a relation, by name."""
        taken = {column.name for column in relation.columns}
        return [
            routine
            for name, overloads in self.routines_of(relation.schema).items()
            for routine in overloads
            if name not in taken
            and len(routine.inputs) == 1
            and self.row_of(routine.inputs[0].type) == relation
        ]

    def row_of(self, type_oid: int) -> Relation | None:
        """Return the relation whose row type this is."""
        known = self.types.get(type_oid)
        return self.relations.get(known.relation) if known and known.relation else None

    def is_visible(self, schema: str) -> bool:
        return schema in self.schemas

    def _is_callable(self, routine: Routine) -> bool:
        if all(argument.name for argument in routine.inputs):
            return True
        if len(routine.inputs) != 1:
            return False
        kind = self.types[routine.inputs[0].type]
        return self.row_of(kind.oid) is not None or kind.name in BODY_TYPES
